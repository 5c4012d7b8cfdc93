"""Can a summary be believed? Delete the words that it says to matter, and watch the probability fall.

That a word is looked at does not show that it matters (Jain & Wallace 2019; Wiegreffe & Pinter 2019 disagree on what
follows). The test is comprehensiveness (DeYoung et al. 2020, ERASER, section 4), in nats: log P(y | x) − log P(y | x
without the k words), here minus the same of k words drawn at random, since any deletion hurts. Nothing stands where a
word was; a sentence with a gap is itself unusual to the model, which the random deletions share.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regard.decoding.inference import inference
from regard.errors import DataError, SettingError
from regard.evaluation.interval import Interval, bootstrap
from regard.looking.replay import run, writes

ROW_TOKENS = 4096
Deleted = frozenset[int]  # numbers of words


@dataclass(frozen=True)
class Pair:
    """What an encoder reads and its decoder writes, special tokens included; and the pieces of each word in ``read``.

    Only ``words`` may be deleted: leave special tokens out.
    """

    read: Sequence[int]
    written: Sequence[int]
    words: Sequence[Sequence[int]]


Explain = Callable[[Pair], Mapping[str, Tensor]]
"""[T, S] by the method's name: the higher, the more target token t owes to token s of what was read."""


@dataclass(frozen=True)
class Faithfulness:
    """Nats lost, minus what random words cost, with 95 % intervals over sentences (bootstrap).

    ``text``: log P of the whole text, without the words of the highest sums over its tokens. ``token``: log P of a
    token, without its own highest words, the mean over a text's tokens.
    """

    text: Interval
    token: Interval


@dataclass(frozen=True)
class Report:
    """``methods`` by name; ``chance`` is what random words cost, by itself; ``most`` what the costliest words do.

    ``most`` is the ceiling, None where there were too many choices to try them all.
    """

    methods: Mapping[str, Faithfulness]
    chance: Faithfulness
    most: Faithfulness | None
    sentences: int


def faithfulness(
    model: Any, pairs: Sequence[Pair], explain: Explain, k: int = 1, draws: int = 20, seed: int = 1
) -> Report:
    """Delete the k words that each method says to matter most, in every text, of those with more than k words.

    Random words: all choices of k where they are at most ``draws`` or k is 1, else as many drawn. All deletions of a
    text are one batch. Raises SettingError for a k below 1, DataError where no text is long enough.
    """
    if k < 1:
        raise SettingError.because("k", k, "1 word or more to delete", "use 1")
    long_enough = [pair for pair in pairs if len(pair.words) > k]
    if not long_enough:
        action = "give longer texts, or delete fewer words"
        raise DataError.because("texts", f"none of more than {k} words", "one or more", action)
    chance = random.Random(seed)
    rows = [_one(model, pair, explain(pair), k, draws, chance) for pair in long_enough]
    every = all(row.most is not None for row in rows)
    return Report(
        {name: _over([row.methods[name] for row in rows]) for name in rows[0].methods},
        _over([row.chance for row in rows]),
        _over([row.most for row in rows if row.most is not None]) if every else None,
        len(rows),
    )


Losses = tuple[float, float]  # nats: of the text; of a token, the mean


@dataclass(frozen=True)
class _Row:
    methods: Mapping[str, Losses]
    chance: Losses
    most: Losses | None


def _one(model: Any, pair: Pair, matrices: Mapping[str, Tensor], k: int, draws: int, chance: random.Random) -> _Row:
    drawn, every = _choices(len(pair.words), k, draws, chance)
    chosen = {name: _chosen(matrix, pair.words, k) for name, matrix in matrices.items()}
    lost = losses(model, pair, {*drawn, *(one for whole, own in chosen.values() for one in (whole, *own))})
    table = np.stack([lost[one] for one in drawn])  # [draws, T]
    random_words = float(table.sum(1).mean()), float(table.mean())
    methods = {}
    for name, (whole, own) in chosen.items():
        of_tokens = float(np.mean([lost[one][t] for t, one in enumerate(own)]))
        methods[name] = float(lost[whole].sum()) - random_words[0], of_tokens - random_words[1]
    most = float(table.sum(1).max()) - random_words[0], float(table.max(0).mean()) - random_words[1]
    return _Row(methods, random_words, most if every else None)


def losses(model: Any, pair: Pair, deletions: Collection[Deleted]) -> dict[Deleted, np.ndarray]:
    """Log P(y_t | y_<t, x) − log P(y_t | y_<t, x without these words), [T] in nats, of each of some deletions."""
    assert writes(model), "a model that writes what it makes of a text"
    ordered = [frozenset[int](), *sorted(deletions, key=sorted)]
    texts = [_without(pair, one) for one in ordered]
    at_once = max(1, ROW_TOKENS // (len(pair.read) + len(pair.written)))
    if model.ids.source_pad is None:
        at_once = 1
    logs = []
    with torch.no_grad(), inference(model, threads=0) as device:
        wanted = torch.tensor(list(pair.written), device=device)
        for first in range(0, len(texts), at_once):
            batch = [(read, pair.written) for read in texts[first : first + at_once]]
            found = model.logits(run(model, batch, device)).log_softmax(-1)
            logs.append(found.gather(2, wanted.expand(len(batch), -1)[:, :, None])[:, :, 0].double().cpu())
    whole, *shortened = torch.cat(logs).numpy()
    return {one: whole - short for one, short in zip(ordered[1:], shortened, strict=True)}


def _without(pair: Pair, deleted: Deleted) -> list[int]:
    gone = {place for number in deleted for place in pair.words[number]}
    return [index for place, index in enumerate(pair.read) if place not in gone]


def _choices(words: int, k: int, draws: int, chance: random.Random) -> tuple[list[Deleted], bool]:
    """Choices of k words, and whether they are all that there are."""
    if k == 1 or math.comb(words, k) <= draws:
        return [frozenset(one) for one in combinations(range(words), k)], True
    return [frozenset(chance.sample(range(words), k)) for _ in range(draws)], False


def _chosen(matrix: Tensor, words: Iterable[Sequence[int]], k: int) -> tuple[Deleted, list[Deleted]]:
    """The k words of the highest sums over the tokens of the text, and those of each token."""
    by_word = torch.stack([matrix[:, list(places)].double().sum(1) for places in words], dim=1)
    own = [frozenset(row) for row in by_word.topk(k, dim=1).indices.tolist()]
    return frozenset(by_word.sum(0).topk(k).indices.tolist()), own


def _over(rows: Sequence[Losses]) -> Faithfulness:
    return Faithfulness(*(bootstrap(column) for column in zip(*rows, strict=True)))
