"""Whether a run was trained on what it is to be measured by: its prepared data has the ids of every example.

Examples are the same where their ids are, so that another case or another mark makes another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from regard.data.corpus import read_pairs, read_table
from regard.data.leaks import FEW
from regard.data.store import SIDES, Store
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.errors import DataError, SettingError
from regard.runs.folder import RECIPE
from regard.runs.material.contract import DATA
from regard.runs.material.couples import NAMES
from regard.runs.measure_texts import Columns
from regard.runs.model import Model

MOST = 0.1  # of a test: beyond it there is no score, unless it is asked for all the same
Ids = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Overlap:
    """How many of the examples of a test are trained on too, and which is the first, counted from 1."""

    count: int
    of: int
    first: int

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.count / max(1, self.of)


def pairs_trained_on(model: Model, source: Path, target: Path) -> Overlap | None:
    """Of a test of pairs. None for a model without the data that it was trained on, such as a public checkpoint."""
    train = _train(model)
    names = SIDES if train is not None and train.names == SIDES else NAMES
    sources, targets = zip(*read_pairs(source, target), strict=True)
    texts = zip(names, (sources, targets), (model.source_tokenizer, model.target_tokenizer), strict=True)
    return _overlap(train, {name: _ids(tokenizer, some) for name, some, tokenizer in texts})


def rows_trained_on(model: Model, path: Path, columns: Columns) -> Overlap | None:
    """The same of the texts of a table, whatever their labels."""
    rows = [row for row in read_table(path, columns.of(model)) if row[0].strip()]
    texts = list(zip(*rows, strict=True))[:-1]
    named = zip(("text", "second"), texts, strict=False)
    return _overlap(_train(model), {name: _ids(model.source_tokenizer, some) for name, some in named})


def refuse_leak(name: str, found: Overlap | None, run: str, *, allowed: bool) -> str | None:
    """A warning of more than hardly any; above a tenth of the test, SettingError unless that is ``allowed``."""
    if found is None or found.share <= FEW:
        return None
    got = f"{found.count:,} of {found.of:,} examples that {run} was trained on, the first being number {found.first}"
    if found.share > MOST and not allowed:
        action = "use another test, or add --allow-leak to score it all the same"
        raise SettingError.because(name, got, f"a test with at most {MOST:.0%} of such", action)
    return f"Warning: {name} has {got}. The scores are too good."


def _train(model: Model) -> Store | None:
    if not (model.folder / RECIPE).exists():
        return None
    try:
        return Store.open(model.folder / DATA / "train")
    except DataError:
        return None


def _ids(tokenizer: Tokenizer, texts: Iterable[str]) -> Ids:
    return tokenizer.encode_batch(list(texts))


def _overlap(train: Store | None, test: Mapping[str, Ids]) -> Overlap | None:
    """Rows that are equal in all columns of the test. None where these are not what was trained on."""
    if train is None or not test or not set(test) <= set(train.names):
        return None
    asked: dict[tuple[bytes, ...], list[int]] = {}
    kinds = [train.ids[name].dtype for name in test]
    for row, sides in enumerate(zip(*test.values(), strict=True), start=1):
        key = tuple(np.asarray(ids, kind).tobytes() for ids, kind in zip(sides, kinds, strict=True))
        asked.setdefault(key, []).append(row)
    total = sum(map(len, asked.values()))
    found: list[int] = []
    for row in _of_such_lengths(train, test):
        found += asked.pop(tuple(train.row(name, row).tobytes() for name in test), ())
    return Overlap(len(found), total, min(found, default=0))


def _of_such_lengths(train: Store, test: Mapping[str, Ids]) -> list[int]:
    """The rows that are as long as some row of the test, in every column: none of the others is equal to one."""
    columns = [train.names.index(name) for name in test]
    wanted = np.array([list(map(len, sides)) for sides in zip(*test.values(), strict=True)])
    return [int(row) for row in np.flatnonzero(np.isin(_as_one(train.lengths[:, columns]), _as_one(wanted)))]


def _as_one(lengths: np.ndarray) -> np.ndarray:
    """The lengths of each row, of two columns at most, as a number."""
    return lengths.astype(np.int64) @ np.array([1, 2**31])[: lengths.shape[1]]
