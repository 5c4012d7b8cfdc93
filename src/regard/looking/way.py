"""The way of tokens through a model: every vector that it computes for them, from the embedding to the last layer.

The model runs as it always does; hooks on its parts note what passes. Only stacks of blocks have such a way:
recurrence and convolution have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from regard.layers.multihead import split_heads
from regard.looking.look import CROSS, DECODER, ENCODER, AttentionStep, FeedForwardStep, Way
from regard.models.block import DecoderBlock, EncoderBlock

SOURCE, TARGET = "source", "target"
Noted = Mapping[str, Any]  # the tensors of one sub-layer, of all positions, by the names of AttentionStep's fields


class Notebook:
    """What passed through one stack in one forward pass of one text."""

    def __init__(self, side: str) -> None:
        self.side = side
        self.whole: dict[str, Tensor] = {}  # of the stack: "token", "sum" (with its position), "start" and "end"
        self.layers: list[list[Noted]] = [[]]
        self.open: dict[str, Any] = {}

    @property
    def end(self) -> Tensor:
        """[T, D]: what the last layer says of every token."""
        return self.whole["end"]

    def note_whole(self, name: str, vectors: Tensor) -> None:
        """Something of the whole stack."""
        self.whole[name] = vectors[0].cpu()

    def note(self, name: str, vectors: Tensor) -> None:
        """One more of the sub-layer that is at work."""
        self.open[name] = vectors[0].cpu()

    def note_heads(self, heads: int, joined: Tensor) -> None:
        """What the heads gathered, which stands side by side."""
        self.note("gathered", split_heads(joined, heads))

    def close(self, stack: str | None, after: Tensor) -> None:
        """The sub-layer is done: attention in ``stack``, or (None) the feed-forward network, which ends its layer."""
        self.layers[-1].append({**self.open, "stack": stack, "after": after[0].cpu()})
        self.open = {}
        if stack is None:
            self.layers.append([])

    def way(self, place: int) -> Way:
        """That of the token at this place."""
        token, summed = self.whole["token"][place], self.whole["sum"][place]
        position = None if torch.equal(token, summed) else summed - token
        layers = [tuple(_step(noted, place) for noted in layer) for layer in self.layers[:-1]]
        return Way(self.side, place, token, position, self.whole["start"][place], layers, self.end[place])


@contextmanager
def notebooks(model: Any) -> Iterator[list[Notebook]]:
    """A notebook of each stack of blocks that the model has, filled while entered by one forward pass of one text."""
    stacks = _stacks(model)
    books = [Notebook(TARGET if kind == DECODER and len(stacks) > 1 else SOURCE) for kind, _ in stacks]
    with ExitStack() as hooks:
        for (kind, stack), book in zip(stacks, books, strict=True):
            _hook_stack(hooks, stack, book)
            for block in dict.fromkeys(stack.blocks):
                _hook_block(hooks, block, kind, book)
        yield books


def _stacks(model: Any) -> list[tuple[str, Any]]:
    found = [(ENCODER, getattr(model, "encoder", None)), (DECODER, getattr(model, "decoder", None))]
    found.append((DECODER, getattr(model, "stack", None)))
    return [(kind, stack) for kind, stack in found if _of_blocks(stack)]


def _of_blocks(stack: Any) -> bool:
    blocks = getattr(stack, "blocks", ())
    return len(blocks) > 0 and all(isinstance(block, EncoderBlock | DecoderBlock) for block in blocks)


def _hook_stack(hooks: ExitStack, stack: Any, book: Notebook) -> None:
    embed = stack.embed
    _before(hooks, embed.positions, partial(book.note_whole, "token"))
    _after(hooks, embed.positions, partial(book.note_whole, "sum"))
    _after(hooks, embed, partial(book.note_whole, "start"))
    _after(hooks, stack, partial(book.note_whole, "end"))


def _hook_block(hooks: ExitStack, block: Any, kind: str, book: Notebook) -> None:
    attentions = [(kind, block.self_attention, block.around_self_attention)]
    if isinstance(block, DecoderBlock):
        attentions.append((CROSS, block.cross_attention, block.around_cross_attention))
    for stack, module, around in attentions:
        hooks.enter_context(_scores_noted(module, book))
        _before(hooks, module.output, partial(book.note_heads, module.heads))
        _after(hooks, module, partial(book.note, "output"))
        _after(hooks, around, partial(book.close, stack))
    _before(hooks, block.feed_forward.outer, partial(book.note, "inner"))
    _after(hooks, block.feed_forward, partial(book.note, "output"))
    _after(hooks, block.around_feed_forward, partial(book.close, None))


@contextmanager
def _scores_noted(module: Any, book: Notebook) -> Iterator[None]:
    """Queries and scores are seen by a similarity around the module's own, weights by its recorder."""
    similarity, recorder = module.similarity, module.recorder

    def noting(query: Tensor, key: Tensor) -> Tensor:
        scores: Tensor = similarity(query, key)
        book.note("query", query)
        book.note("scores", scores)
        return scores

    module.similarity = noting
    module.recorder = lambda weights: book.note("weights", weights)
    try:
        yield
    finally:
        module.similarity, module.recorder = similarity, recorder


def _before(hooks: ExitStack, module: nn.Module, note: Callable[[Tensor], None]) -> None:
    hooks.callback(module.register_forward_pre_hook(lambda _, given: note(given[0])).remove)


def _after(hooks: ExitStack, module: nn.Module, note: Callable[[Tensor], None]) -> None:
    hooks.callback(module.register_forward_hook(lambda _, __, found: note(found)).remove)


def _step(noted: Noted, place: int) -> AttentionStep | FeedForwardStep:
    output, after = noted["output"][place], noted["after"][place]
    if noted["stack"] is None:
        return FeedForwardStep(noted["inner"][place], output, after)
    query, scores, weights, gathered = (noted[name][:, place] for name in ("query", "scores", "weights", "gathered"))
    scores = scores.masked_fill(weights == 0, torch.nan)
    return AttentionStep(str(noted["stack"]), query, scores, weights, gathered, output, after)
