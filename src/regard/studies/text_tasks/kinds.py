"""The three kinds of models, and what each is asked: to tell classes, to write, to translate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from regard.data.tokenizers.tokenizer import Tokenizer
from regard.decoding.batches import prompt_batches
from regard.decoding.inference import inference
from regard.decoding.search import search
from regard.decoding.settings import DecodingSettings
from regard.decoding.translator import Translator
from regard.studies.text_tasks.measures import Next
from regard.studies.text_tasks.texts import Ids, continued_feed, ends, masked_feed, next_token_feed, pairs_feed
from regard.tasks.masked_token import MaskedToken
from regard.tasks.next_token import NextToken
from regard.tasks.translation import Translation
from regard.training.loop import Feed, Task

LONGER = 12  # tokens that a translation may be longer than its source
PLACES = 96  # tokens that every model has positions for

Feeding = Callable[[Ids, Tokenizer, int, int], Feed]
PairFeeding = Callable[[Ids, Ids, Tokenizer, int, int], Feed]


@dataclass(frozen=True)
class Kind:
    """A kind of model: how it learns to write and what it says then of the next word; how it learns to translate.

    ``settings`` make all three equally large. None: it cannot translate.
    """

    name: str
    family: str
    settings: Mapping[str, Any]
    writing: Task
    texts: Feeding
    following: Callable[[Any, Tokenizer], Next]
    translating: Task | None = None
    pairs: PairFeeding | None = None
    translate: Callable[[Any, Tokenizer, Sequence[str]], list[str]] | None = None


def from_left(model: Any, tokenizer: Tokenizer) -> Next:
    """A decoder: the state of the last token tells the next."""
    bos, _, _ = ends(tokenizer)
    return lambda begun: model.logits(model(_after(bos, begun)))[:, -1]


def at_mask(model: Any, tokenizer: Tokenizer) -> Next:
    """An encoder: a mask behind the beginning, and nothing behind the mask."""
    bos, _, _ = ends(tokenizer)
    assert tokenizer.mask is not None, "the layout has a mask"
    mask = torch.tensor([[tokenizer.mask]])

    def following(begun: Tensor) -> Tensor:
        masks = mask.expand(len(begun), 1)
        return model.logits(model(torch.cat((_after(bos, begun), masks), 1)))[:, -1]

    return following


def from_nothing(model: Any, tokenizer: Tokenizer) -> Next:
    """An encoder–decoder: the source is an empty text."""

    def following(begun: Tensor) -> Tensor:
        source = torch.tensor([ends(tokenizer)[:2]]).expand(len(begun), 2)
        return model.logits(model(source, _after(model.start, begun)))[:, -1]

    return following


def _after(first: int, begun: Tensor) -> Tensor:
    return torch.cat((begun.new_full((len(begun), 1), first), begun), 1)


def nothing_feed(texts: Ids, tokenizer: Tokenizer, batch_tokens: int, seed: int) -> Feed:
    """Each text as what an empty source is to become."""
    return pairs_feed([[] for _ in texts], texts, tokenizer, batch_tokens, seed)


def written_on(model: Any, tokenizer: Tokenizer, sources: Sequence[str]) -> list[str]:
    """What a decoder writes, greedily, behind ``<s> source </s>``."""
    bos, eos, _ = ends(tokenizer)
    prompts = {number: [bos, *ids, eos] for number, ids in enumerate(tokenizer.encode_batch(list(sources)))}
    settings = DecodingSettings(beam=1, max_new=max(map(len, prompts.values())) + LONGER, threads=0)
    found = [""] * len(sources)
    with inference(model, 0) as device:
        for batch in prompt_batches(prompts, settings, device, model.most_tokens):
            for number, hypotheses in zip(batch.numbers.tolist(), search(model, batch, settings), strict=True):
                found[number] = tokenizer.decode(hypotheses[0].ids)
    return found


def translated(model: Any, tokenizer: Tokenizer, sources: Sequence[str]) -> list[str]:
    """What an encoder–decoder writes, greedily, for each source."""
    settings = DecodingSettings(beam=1, max_extra=LONGER, threads=0)
    return [one.text for one in Translator(model, tokenizer, tokenizer).translate(sources, settings)]


def kinds(width: int, layers: int, hidden: float) -> tuple[Kind, Kind, Kind]:
    """BERT and GPT-2 with 2 · ``layers`` blocks, BART with ``layers`` on each side; ``hidden``: share that BERT masks.

    BART's blocks look at the source too; its feed-forward networks are narrower for it, so that all are equally large:
    2 · (4d² + 2 · 4d²) = (4d² + 2df) + (8d² + 2df) for f = 3d.
    """
    shape = {"d_model": width, "heads": 4, "longest": PLACES, "attention_dropout": 0.0}
    alone = {**shape, "layers": 2 * layers, "d_ff": 4 * width}
    return (
        Kind(
            "encoder only (BERT)", "bert", alone, MaskedToken(),
            lambda texts, tokenizer, tokens, seed: masked_feed(texts, tokenizer, tokens, seed, hidden), at_mask,
        ),
        Kind(
            "decoder only (GPT-2)", "gpt2", alone, NextToken(), next_token_feed, from_left,
            NextToken(), continued_feed, written_on,
        ),
        Kind(
            "encoder–decoder (BART)", "bart", {**shape, "layers": layers, "d_ff": 3 * width}, Translation(),
            nothing_feed, from_nothing, Translation(), pairs_feed, translated,
        ),
    )  # fmt: skip
