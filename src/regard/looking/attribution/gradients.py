"""Input × gradient: what a small change of each token's vector would do to what the model says.

g_s = e_s · ∂y/∂e_s, in nats, with e_s the vector of token s before its position is added (Denil et al. 2015,
"Extraction of salient sentences"). Positive: the token speaks for y. Of a y that is linear in the vectors, the g_s sum
to y(e) − y(0), and g_s is what y loses with e_s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from regard.decoding.inference import inference
from regard.looking.replay import run, writes

ROW_TOKENS = 4096


def input_times_gradient(model: Any, read: Sequence[int], written: Sequence[int] = ()) -> Tensor:
    """e_s · ∂ log P(y_t | …) / ∂e_s in nats: [T, S], signed.

    Of an encoder–decoder, y is what is ``written`` and s what the encoder ``read``. Of a language model, row t is of
    the token after ``read[t]``, after the last one the likeliest. Of an encoder under a language head, row t is of
    ``read[t]`` itself. Weights may be frozen. Call it outside of ``torch.inference_mode``.
    """
    count = len(written) if writes(model) else len(read)

    def scores(places: Sequence[int], device: torch.device) -> Tensor:
        states = run(model, [(read, written)] * len(places), device)
        own = states[range(len(places)), list(places)]
        logs = model.logits(own).log_softmax(-1)
        wanted = [_predicted(model, read, written, place, logs[row]) for row, place in enumerate(places)]
        return logs[range(len(places)), wanted]

    return _gradients(model, scores, count, len(read) + len(written))


def class_times_gradient(model: Any, read: Sequence[int]) -> Tensor:
    """The same of a classifier of texts: e_s · ∂ logit_c / ∂e_s, [C, S], a row a class.

    Of an encoder–decoder that reads the text twice (BART), what went through the encoder.
    """

    def scores(places: Sequence[int], device: torch.device) -> Tensor:
        logits = model.classify(torch.tensor([list(read)] * len(places), device=device))
        found: Tensor = logits[range(len(places)), list(places)]
        return found

    with torch.no_grad(), inference(model, threads=0) as device:
        classes = model.classify(torch.tensor([list(read)], device=device)).shape[-1]
    return _gradients(model, scores, classes, len(read))


def shares(signed: Tensor) -> Tensor:
    """|g_ts| / Σ_s |g_ts|: rows that sum to one; those of a row of zeros are all alike."""
    sizes = signed.abs()
    sums = sizes.sum(-1, keepdim=True)
    return torch.where(sums > 0, sizes / sums.where(sums > 0, torch.ones_like(sums)), 1 / signed.shape[-1])


def _predicted(model: Any, read: Sequence[int], written: Sequence[int], place: int, logs: Tensor) -> int:
    if writes(model):
        return written[place]
    if not hasattr(model, "stack"):
        return read[place]
    return read[place + 1] if place + 1 < len(read) else int(logs.argmax())


def _gradients(model: Any, scores: Callable[..., Tensor], count: int, tokens: int) -> Tensor:
    """A copy of the text for each of ``count`` scores, so that one backward pass serves many."""
    at_once = max(1, ROW_TOKENS // tokens)
    found = []
    with torch.enable_grad(), inference(model, threads=0) as device:
        for first in range(0, count, at_once):
            places = range(first, min(first + at_once, count))
            with _leaves(_reader(model).embed) as leaves:
                total = scores(places, device).sum()
            (gradient,) = torch.autograd.grad(total, leaves)
            found.append((gradient * leaves[0]).sum(-1).detach().cpu())
    return torch.cat(found)


def _reader(model: Any) -> Any:
    """The stack that reads the text."""
    return model.encoder if hasattr(model, "encoder") else model.stack


@contextmanager
def _leaves(embedder: Any) -> Iterator[list[Tensor]]:
    """The vectors [B, S, D] that ``embedder`` looks up while entered, as what derivatives can be taken by.

    Only its first text counts: a decoder may look its own up in the same table later.
    """
    found: list[Tensor] = []

    def cut(module: nn.Module, arguments: Any, vectors: Tensor) -> Tensor | None:
        if found:
            return None
        found.append(vectors.detach().requires_grad_())
        return found[0]

    hook = embedder.tokens.register_forward_hook(cut)
    try:
        yield found
    finally:
        hook.remove()
