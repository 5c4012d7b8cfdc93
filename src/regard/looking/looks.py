"""Looks at a text with a model that is open: it translates, completes or reads the text, and everything is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from regard.data.tokenizers.tokenizer import Tokenizer
from regard.decoding.inference import inference
from regard.decoding.interface import most_tokens_of, wrap_source
from regard.decoding.settings import DecodingSettings
from regard.errors import DataError
from regard.looking.alignments import word_alignments
from regard.looking.attribution.methods import summaries, summed
from regard.looking.choices import choices
from regard.looking.look import CROSS, Look, Tree, Way, Words
from regard.looking.opened import OpenedModel
from regard.looking.replay import attention_of, run, writes
from regard.looking.tree import searched
from regard.looking.way import notebooks


class Opened(OpenedModel, Protocol):
    """A model with its tokenizers."""

    @property
    def source_tokenizer(self) -> Tokenizer:
        """Of what it reads."""

    @property
    def target_tokenizer(self) -> Tokenizer:
        """Of what it writes."""

    @property
    def decoding(self) -> DecodingSettings:
        """How it writes."""


def look_at(
    model: Opened, text: str, target: str | None = None, settings: DecodingSettings | None = None, label: str = ""
) -> Look:
    """All that there is to see of a text: a translation (the model's, or as it is told ``target``), or a reading.

    Raises DataError for a text of no or too many tokens, and for a target where the model writes none.
    """
    read, written, tree = read_and_written(model, text, target, settings)
    return seen(model, read, written, tree, label)


def read_and_written(
    model: Opened, text: str, target: str | None = None, settings: DecodingSettings | None = None
) -> tuple[list[int], list[int], Tree | None]:
    """The ids of ``attention_of``, and the search that found the second, if there was one. Raises as ``look_at``.

    A classifier's decoder reads the text that its encoder reads.
    """
    read = _read(model, text)
    if not (writes(model.module) and model.head.kind == "language"):
        if target is not None:
            rule = "none with a model that writes no translation"
            raise DataError.because("--target", repr(target), rule, "leave it out")
        return read, read if writes(model.module) else [], None
    if target is not None:
        return read, _written(model, target), None
    settings = replace(settings or model.decoding, sample=False)
    tokenizer = model.target_tokenizer
    tree, best = searched(model.module, read, settings, tokenizer.pieces_of, tokenizer.decode)
    return read, [*best.ids, model.module.ids.eos], tree


def seen(model: Opened, read: Sequence[int], written: Sequence[int], tree: Tree | None = None, label: str = "") -> Look:
    """The look at a text whose ids are known, as ``attention_of`` takes them."""
    module = model.module
    look = attended(model, read, written)
    logits, ways = _run(model, read, written)
    language = model.head.kind == "language" and module.output is not None
    classifies = model.head.kind == "classification"
    return replace(
        look,
        summaries=summaries(module, read, written, look.attention, text=_places_of_text(look)),
        summed=summed(look.attention) or CROSS,
        choices=choices(logits, model.target_tokenizer.pieces_of) if language else None,
        tree=tree,
        ways=ways,
        classes=dict(zip(model.head.labels, logits[0].softmax(-1).tolist(), strict=True)) if classifies else {},
        label=label,
        log_probabilities=_log_probabilities(logits, written) if look.target is not None and language else (),
        text=model.target_tokenizer.decode(list(written)) if writes(module) and language else "",
    )


def attended(model: Opened, read: Sequence[int], written: Sequence[int]) -> Look:
    """The attention alone, with the texts that it is of."""
    target = fed = None
    if writes(model.module):
        target = words(model.target_tokenizer, written)
        fed = words(model.target_tokenizer, [model.module.ids.start, *written[:-1]])
    attention = attention_of(model.module, read, written)
    return Look(model.folder.name, model.family, words(model.source_tokenizer, read), attention, target, fed)


def alignments(model: Opened, sources: Sequence[str], outputs: Sequence[Sequence[int]]) -> list[str]:
    """Which word of each output (ids without ``</s>``) came from which of its source, as ``word_alignments`` says.

    "" where the source or the output is empty. Raises RunError for a model that does not look at its source.
    """
    encoded = model.source_tokenizer.encode_batch([source if source.strip() else "" for source in sources])
    there = [number for number, ids in enumerate(encoded) if ids and outputs[number]]
    wrap = partial(wrap_source, model.source_tokenizer, eos=model.module.ids.eos)
    ids = [(wrap(encoded[number]), [*outputs[number], model.module.ids.eos]) for number in there]
    texts = [(words(model.source_tokenizer, read), words(model.target_tokenizer, written)) for read, written in ids]
    found = dict(zip(there, word_alignments(model.module, texts, ids), strict=True))
    return [found.get(number, "") for number in range(len(sources))]


def words(tokenizer: Tokenizer, ids: Sequence[int]) -> Words:
    """Ids as pieces and words; a piece after a special one begins a word."""
    no_text = tokenizer.specials - {tokenizer.unk}
    specials = tuple(place for place, index in enumerate(ids) if index in no_text)
    starts = tuple(bool(tokenizer.word_starts[i]) or place - 1 in specials for place, i in enumerate(ids))
    return Words(tuple(tokenizer.pieces_of(ids)), starts, specials)


def _places_of_text(look: Look) -> list[int]:
    assert isinstance(look.source, Words)
    return [place for place in range(len(look.source)) if place not in look.source.specials]


def _log_probabilities(logits: Tensor, written: Sequence[int]) -> tuple[float, ...]:
    logs = logits.double().log_softmax(-1)
    return tuple(float(logs[place, index]) for place, index in enumerate(written))


def _run(model: Opened, read: Sequence[int], written: Sequence[int]) -> tuple[Tensor, tuple[Way, ...]]:
    """What the head says, [T, V] of tokens or [1, C] of classes, and the ways of all tokens."""
    module = model.module
    with torch.inference_mode(), inference(module, threads=0) as device, notebooks(module) as books:
        states = run(module, [(read, written)], device)
        if model.head.kind == "none" or (model.head.kind == "language" and module.output is None):
            said = states[0, :, :0]
        elif model.head.kind == "language":
            said = module.logits(states)[0]
        else:
            said = module.head(states, torch.tensor([list(read)], device=device))
    return said.cpu(), tuple(book.way(place) for book in books for place in range(len(book.end)))


def _read(model: Opened, text: str) -> list[int]:
    ids = model.source_tokenizer.encode(text) if text.strip() else []
    if not ids:
        raise DataError.because("SENTENCE", "nothing but white space", "some words", "write a sentence")
    wrapped = wrap_source(model.source_tokenizer, ids, model.module.ids.eos)
    if hasattr(model.module, "stack") and model.head.kind == "language" and wrapped[-1] == model.module.ids.eos:
        wrapped = wrapped[:-1]  # what is to be gone on with has no end
    _check_length("SENTENCE", wrapped, model)
    return wrapped


def _written(model: Opened, text: str) -> list[int]:
    ids = model.target_tokenizer.encode(text) if text.strip() else []
    if not ids:
        raise DataError.because("--target", "nothing but white space", "some words", "write a translation")
    first = model.decoding.forced_first
    written = [*([] if first is None else [first]), *ids, model.module.ids.eos]
    _check_length("--target", written, model)
    return written


def _check_length(name: str, ids: Sequence[int], model: Opened) -> None:
    positions = most_tokens_of(model.module)
    most = model.decoding.max_source if positions is None else min(positions, model.decoding.max_source)
    if len(ids) > most:
        rule = f"at most {most}, " + ("the model's positions" if most == positions else "the run's max_source")
        raise DataError.because(name, f"{len(ids)} tokens with the special ones", rule, "shorten it")
