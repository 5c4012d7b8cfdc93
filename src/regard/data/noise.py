"""What a text becomes before a model restores it: masked tokens, missing spans, infilled masks, shuffled sentences.

Chance comes from torch's global generator, or from one that is handed in: each call draws anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from regard.config import setting
from regard.data.batching import IGNORED, TextBatch
from regard.errors import SettingError

SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？")


@dataclass(frozen=True)
class Masking:
    """Which tokens are to be guessed, and what stands in their place (Devlin et al. 2019, section 3.1)."""

    share: float = setting(0.15, help="of the tokens are chosen to be predicted", minimum=0, below=1)
    mask: float = setting(0.8, help="of the chosen ones become the mask", minimum=0)
    random: float = setting(0.1, help="of the chosen ones become another token; the rest stay", minimum=0)
    whole_words: bool = setting(False, help="choose whole words, with all of their pieces")

    def __post_init__(self) -> None:
        if self.mask + self.random > 1 + 1e-9:
            got = f"{self.mask:g} with random {self.random:g}"
            raise SettingError.because("mask", got, "shares of at most 1 together", "lower one of them")


@dataclass(frozen=True)
class SpanNoise:
    """Spans that are left out, each for a sentinel of its own (Raffel et al. 2020, section 3.1.4)."""

    share: float = setting(0.15, help="of the tokens are left out", minimum=0, below=1)
    mean_length: float = setting(3.0, help="tokens of a span on average", minimum=1)


@dataclass(frozen=True)
class InfillNoise:
    """Spans that become one mask each, in sentences out of order (Lewis et al. 2020, section 2.2)."""

    share: float = setting(0.3, help="of the tokens are masked", minimum=0, below=1)
    mean_length: float = setting(3.0, help="tokens of a span on average, Poisson; of none a mask is put in", minimum=0)
    permute: bool = setting(True, help="put the sentences into another order")


@runtime_checkable
class KnownPieces(Protocol):
    """A tokenizer that tells what its ids are."""

    size: int
    mask: int | None
    specials: frozenset[int]

    @property
    def word_starts(self) -> np.ndarray:
        """Whether a word begins with the piece, [V]."""

    def pieces_of(self, ids: Sequence[int]) -> list[str]:
        """The piece of each id."""


@dataclass(frozen=True)
class Pieces:
    """What noise must know of a vocabulary: [V] arrays over its ids."""

    mask: int | None
    special: np.ndarray  # bool: never chosen, never put in another's place
    word_starts: np.ndarray | None = None  # bool: the piece begins a word
    sentence_ends: np.ndarray | None = None  # bool: a sentence ends with it

    @classmethod
    def of(cls, tokenizer: KnownPieces) -> Pieces:
        """What a tokenizer tells. A sentence ends with a piece that ends in one of ``SENTENCE_ENDS``."""
        special = np.zeros(tokenizer.size, dtype=bool)
        special[list(tokenizer.specials)] = True
        ends = [piece.endswith(SENTENCE_ENDS) for piece in tokenizer.pieces_of(range(tokenizer.size))]
        return cls(tokenizer.mask, special, np.asarray(tokenizer.word_starts), np.array(ends, dtype=bool) & ~special)

    @cached_property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """``special``, the ids that are not, and where a word begins (everywhere, where nothing says so)."""
        special = torch.from_numpy(np.ascontiguousarray(self.special, dtype=bool))
        starts = torch.ones_like(special)
        if self.word_starts is not None:
            starts = torch.from_numpy(np.ascontiguousarray(self.word_starts, dtype=bool))
        return special, (~special).nonzero().squeeze(1), starts | special


def mask_tokens(ids: Tensor, pieces: Pieces, masking: Masking, generator: torch.Generator | None = None) -> TextBatch:
    """Choose tokens of each row of ``ids`` [B T], and mask, replace or keep them; the labels are what they were.

    Of a row with n tokens that are not special, share · n are chosen: rounded up or down by chance so that this is so
    on average, but at least one. Whole words are chosen in a random order; the one with which the count is passed by
    a chance that again makes this so on average.
    """
    assert pieces.mask is not None, "a vocabulary without a mask"
    special, ordinary, starts = pieces.tensors
    candidates = ~special[ids]
    chosen = candidates & _chosen(ids, candidates, starts if masking.whole_words else None, masking.share, generator)
    labels = ids.masked_fill(~chosen, IGNORED)
    fate = torch.rand(ids.shape, generator=generator)
    others = ordinary[torch.randint(len(ordinary), ids.shape, generator=generator)]
    noised = torch.where(chosen & (fate < masking.mask), pieces.mask, ids)
    swapped = chosen & (fate >= masking.mask) & (fate < masking.mask + masking.random)
    noised = torch.where(swapped, others, noised)
    return TextBatch(noised, labels, None, int(chosen.sum()))


def _chosen(
    ids: Tensor, candidates: Tensor, starts: Tensor | None, share: float, generator: torch.Generator | None
) -> Tensor:
    count = candidates.sum(1)
    quota = (share * count + torch.rand(len(ids), generator=generator)).floor().clamp(min=1).unsqueeze(1)
    scores = torch.rand((len(ids), ids.shape[1] + 1), generator=generator)
    if starts is None:
        return _ranks(scores[:, :-1], candidates) < quota
    words = starts[ids].cumsum(1)  # the number of each token's word
    ranks = _ranks(scores.gather(1, words), candidates)  # tokens of a word have one score and adjacent ranks
    first = torch.full_like(scores, torch.inf).scatter_reduce(1, words, ranks.float(), "amin")
    size = torch.zeros_like(scores).scatter_add(1, words, candidates.float())
    of_word = (torch.rand(scores.shape, generator=generator) * size).floor()  # the place of one of its tokens
    return ((first == 0) | (first + of_word < quota)).gather(1, words)


def _ranks(scores: Tensor, candidates: Tensor) -> Tensor:
    """The place of each score among those of its row, from 0; what is no candidate comes last."""
    order = scores.masked_fill(~candidates, 2.0).argsort(dim=1, stable=True)
    return torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1]).expand_as(order))


def numpy_chance(generator: torch.Generator | None = None) -> np.random.Generator:
    """Numpy's generator, seeded by one number of torch's."""
    return np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))


def span_mask(length: int, noise: SpanNoise, chance: np.random.Generator, most: int | None = None) -> np.ndarray:
    """Which of ``length`` tokens are left out, by the procedure of the original (``random_spans_noise_mask``).

    round(share · length) tokens in round(that / mean_length) spans; the tokens left out, and those that stay, are each
    cut into as many segments, every way with the same chance, and the segments take turns, a kept one first.
    ``most``: spans at most.
    """
    if length < 2:
        return np.zeros(length, dtype=bool)
    missing = min(max(round(length * noise.share), 1), length - 1)
    spans = min(max(round(missing / noise.mean_length), 1), length - missing, most or length)
    lengths = np.empty(2 * spans, dtype=np.int64)
    lengths[::2] = _segments(length - missing, spans, chance)
    lengths[1::2] = _segments(missing, spans, chance)
    return np.repeat(np.arange(2 * spans) % 2 == 1, lengths)


def _segments(items: int, count: int, chance: np.random.Generator) -> np.ndarray:
    """The lengths of ``count`` segments, none empty, that ``items`` are cut into."""
    cuts = np.sort(chance.permutation(items - 1)[: count - 1]) + 1
    return np.diff(np.concatenate(([0], cuts, [items])))


def leave_out_spans(
    ids: np.ndarray, sentinels: Sequence[int], noise: SpanNoise, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Source: the text with a sentinel for each span left out. Target: each sentinel with its span, and one to end.

    The paper's figure 2: "Thank you <X> me to your party <Y> week." and "<X> for inviting <Y> last <Z>". There are
    no more spans than sentinels but one.
    """
    missing = span_mask(len(ids), noise, chance, most=len(sentinels) - 1)
    begins = missing & ~np.concatenate(([False], missing[:-1]))
    order = np.asarray(sentinels, dtype=np.int64)
    number = np.cumsum(begins)
    with_sentinels = np.where(begins, order[np.maximum(number - 1, 0)], ids)
    source = with_sentinels[~missing | begins]
    places = np.flatnonzero(begins)
    target = np.insert(ids[missing].astype(np.int64), np.cumsum(missing)[places] - 1, order[: len(places)])
    return source, np.append(target, order[len(places)])


def longest_uncut(block: int, noise: SpanNoise) -> int:
    """How long a text may be so that what ``leave_out_spans`` makes of it, with an end, has at most ``block`` tokens.

    Of the target too, as long as ``share`` is below a half.
    """
    length = block - 1
    while (
        length + 1 - (missing := round((length + 1) * noise.share)) + max(round(missing / noise.mean_length), 1) < block
    ):
        length += 1
    return length


def infill(ids: np.ndarray, mask: int, noise: InfillNoise, chance: np.random.Generator) -> np.ndarray:
    """Put one mask in place of each of some spans, of Poisson lengths, until ⌈share · n⌉ tokens are gone.

    A span of none puts a mask between two tokens. No two masks are neighbours, so that each stands for one span.
    """
    length = len(ids)
    wanted = int(np.ceil(noise.share * length))
    if not wanted:
        return ids.astype(np.int64)
    lengths = np.zeros(0, dtype=np.int64)
    while lengths.sum() < wanted:
        lengths = np.append(lengths, chance.poisson(noise.mean_length or 1.0, wanted + 4))
    totals = np.cumsum(lengths)
    last = int(np.searchsorted(totals, wanted))  # the span with which the count is reached, cut to reach it exactly
    lengths = lengths[: last + 1]
    lengths[last] -= totals[last] - wanted
    kept = length - wanted
    spans = _at_most(lengths, kept + 1)
    slots = np.sort(chance.permutation(kept + 1)[: len(spans)])  # before which kept token each mask stands
    gaps = np.diff(np.concatenate(([0], slots, [kept])))
    runs = np.empty(2 * len(spans) + 1, dtype=np.int64)  # kept, gone, kept, gone, … kept
    runs[::2], runs[1::2] = gaps, spans
    stays = ids[np.repeat(np.arange(len(runs)) % 2 == 0, runs)].astype(np.int64)
    return np.insert(stays, slots, mask)


def _at_most(lengths: np.ndarray, count: int) -> np.ndarray:
    """The same sum in at most ``count`` spans: of a short text, the last ones are one."""
    if len(lengths) <= count:
        return lengths
    return np.append(lengths[: count - 1], lengths[count - 1 :].sum())


def permute_sentences(ids: np.ndarray, ends: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """The sentences of a text in a random order; ``ends`` [V] tells the pieces that a sentence ends with."""
    last = ends[ids]
    cuts = np.flatnonzero(last & ~np.append(last[1:], False)) + 1  # "?!" and "..." end one sentence
    sentences = [part for part in np.split(ids, cuts) if len(part)]
    if len(sentences) < 2:
        return ids
    return np.concatenate([sentences[number] for number in chance.permutation(len(sentences))])
