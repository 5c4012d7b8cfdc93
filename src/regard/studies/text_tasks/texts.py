"""One vocabulary for models of every family, the models that read it, and the batches that they learn from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from regard import families
from regard.config import build as build_settings
from regard.data.batching import IGNORED, Batch, LabelledBatch, TextBatch, filled, plan_batches
from regard.data.noise import Masking, Pieces
from regard.data.tokenizers.layout import LAYOUTS
from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
from regard.models.heads import LANGUAGE, Head
from regard.tasks.masked_token import MaskedToken
from regard.training.loop import Feed

Ids = Sequence[Sequence[int]]
LAYOUT = "roberta"  # begins, ends, pads and masks: what any family may ask for


def tokenizer_of(texts: Iterable[str], kind: str = "word", size: int = 0) -> Tokenizer:
    """A vocabulary with every special token."""
    return train_tokenizer(texts, TokenizerSettings(kind, size), LAYOUTS[LAYOUT])


def text_model(family: str, settings: Mapping[str, Any], tokenizer: Tokenizer, head: Head = LANGUAGE) -> Any:
    """A model of a family, as a recipe's ``[model]`` would have it, with fresh weights."""
    module = families.get(family)
    roles = {role: getattr(tokenizer, role) for role in ("eos", "pad", "bos", "sep", "mask")}
    vocabulary = module.vocabulary(tokenizer.size, tokenizer.size, shared=True, roles=roles)
    return module.build(build_settings(module.Config, settings, "model."), vocabulary, head)


def next_token_feed(texts: Ids, tokenizer: Tokenizer, batch_tokens: int, seed: int) -> Feed:
    """Texts of like length together, each token to be told from those before it."""
    return Feed(
        epoch=_plans([len(text) + 1 for text in texts], batch_tokens, seed),
        collate=lambda rows: next_tokens([texts[row] for row in rows], tokenizer),
    )


def next_tokens(texts: Ids, tokenizer: Tokenizer) -> TextBatch:
    """``<s> x_1 … x_n`` is read, ``x_1 … x_n </s>`` is to be told."""
    bos, eos, pad = ends(tokenizer)
    read, labels = filled([[bos, *text] for text in texts], pad), filled(texts, IGNORED, eos)
    return TextBatch(read, labels, None, int((labels != IGNORED).sum()))


def continued_feed(sources: Ids, targets: Ids, tokenizer: Tokenizer, batch_tokens: int, seed: int) -> Feed:
    """Pairs as one text each, of which only the second half is to be told: translation for a decoder alone."""
    lengths = [len(source) + len(target) + 2 for source, target in zip(sources, targets, strict=True)]
    return Feed(
        epoch=_plans(lengths, batch_tokens, seed),
        collate=lambda rows: continued([sources[row] for row in rows], [targets[row] for row in rows], tokenizer),
    )


def continued(sources: Ids, targets: Ids, tokenizer: Tokenizer) -> TextBatch:
    """``<s> source </s> y_1 … y_n`` is read, ``y_1 … y_n </s>`` is to be told."""
    _, eos, _ = ends(tokenizer)
    both = [[*source, eos, *target] for source, target in zip(sources, targets, strict=True)]
    batch = next_tokens(both, tokenizer)
    for row, source in enumerate(sources):
        batch.labels[row, : len(source) + 1] = IGNORED
    return TextBatch(batch.ids, batch.labels, None, int((batch.labels != IGNORED).sum()))


def pairs_feed(sources: Ids, targets: Ids, tokenizer: Tokenizer, batch_tokens: int, seed: int) -> Feed:
    """Pairs for an encoder–decoder: ``<s> source </s>`` is read, ``y_1 … y_n </s>`` is to be told.

    A batch holds the pairs that it would hold for a decoder alone, whose texts have both sides: see ``continued_feed``.
    """
    bos, eos, pad = ends(tokenizer)
    lengths = [len(source) + len(target) + 2 for source, target in zip(sources, targets, strict=True)]

    def collate(rows: np.ndarray) -> Batch:
        read = filled([[bos, *sources[row]] for row in rows], pad, eos)
        told = filled([targets[row] for row in rows], pad, eos)
        return Batch(read, told, int((read != pad).sum()), int((told != pad).sum()))

    return Feed(epoch=_plans(lengths, batch_tokens, seed), collate=collate)


def masked_feed(texts: Ids, tokenizer: Tokenizer, batch_tokens: int, seed: int, share: float = 0.15) -> Feed:
    """``<s> text </s>`` with a share of the tokens hidden, others each time."""
    bos, eos, pad = ends(tokenizer)
    pieces, task = Pieces.of(tokenizer), MaskedToken(Masking(share))
    return Feed(
        epoch=_plans([len(text) + 2 for text in texts], batch_tokens, seed),
        collate=lambda rows: task.collate(filled([[bos, *texts[row]] for row in rows], pad, eos), pieces),
    )


def labelled_feed(texts: Ids, labels: Sequence[int], tokenizer: Tokenizer, batch_tokens: int, seed: int) -> Feed:
    """``<s> text </s>`` with its class."""
    bos, eos, pad = ends(tokenizer)
    classes = torch.tensor(labels)

    def collate(rows: np.ndarray) -> LabelledBatch:
        ids = filled([[bos, *texts[row]] for row in rows], pad, eos)
        return LabelledBatch(ids, torch.zeros_like(ids), classes[torch.from_numpy(rows)], len(rows))

    return Feed(epoch=_plans([len(text) + 2 for text in texts], batch_tokens, seed), collate=collate)


def _plans(lengths: Sequence[int], batch_tokens: int, seed: int) -> Any:
    table = np.array(lengths)[:, None]
    return lambda epoch: plan_batches(table, max(batch_tokens, int(table.max())), seed, epoch, extra=0)


def ends(tokenizer: Tokenizer) -> tuple[int, int, int]:
    """The ids that begin, end and fill up a text."""
    bos, eos, pad = tokenizer.bos, tokenizer.eos, tokenizer.pad
    assert bos is not None, "the layout begins texts"
    assert eos is not None, "and ends them"
    assert pad is not None, "and fills them up"
    return bos, eos, pad
