"""Texts, and pairs as one text, within a template of special ids ([CLS] A [SEP] B [SEP]), as batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from regard.data.batching import IGNORED, CouplesBatch, LabelledBatch
from regard.data.store import Store
from regard.errors import DataError, SettingError

FIRST, SECOND = -1, -2  # what stands for the two texts while a template is found out


@runtime_checkable
class WrappedIds(Protocol):
    """Ids within a template, and which of the two texts each belongs to."""

    @property
    def ids(self) -> Sequence[int]:
        """The ids."""

    @property
    def types(self) -> Sequence[int]:
        """0 for the first text, and for the second what the template says."""


@dataclass(frozen=True)
class Template:
    """``before`` A ``after`` for a text, ``before`` A ``between`` B ``after`` for two; B is of ``second_type``."""

    before: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    second_type: int = 0

    @classmethod
    def of(cls, wrap: Callable[[list[int], list[int]], WrappedIds]) -> Template:
        """The template of a tokenizer's ``wrap``, by letting it wrap two ids that no vocabulary has."""
        wrapped = wrap([FIRST], [SECOND])
        ids = [int(index) for index in wrapped.ids]
        first, second = ids.index(FIRST), ids.index(SECOND)
        between, after = ids[first + 1 : second], ids[second + 1 :]
        return cls(tuple(ids[:first]), tuple(between), tuple(after), int(wrapped.types[second]))

    def specials(self, texts: int) -> int:
        """How many ids it puts around one text, or two."""
        return len(self.before) + len(self.after) + (len(self.between) if texts == 2 else 0)


def cut_lengths(lengths: np.ndarray, room: int) -> np.ndarray:
    """How many tokens of each text stay, [rows, 1 or 2], so that a row has at most ``room``.

    Tokens go from the end of the longer of two, one at a time, and of the second where they are of one length.
    Raises SettingError where there is no room.
    """
    if room < lengths.shape[1]:
        action = "raise the longest length that the data may have"
        raise SettingError.because(
            "longest", f"room for {max(0, room)} tokens", "at least a token of each text", action
        )
    if lengths.shape[1] == 1:
        return np.minimum(lengths, room)
    first, second = lengths[:, 0], lengths[:, 1]
    kept = np.clip(room - second, np.minimum(first, -(-room // 2)), first)
    return np.stack((kept, np.minimum(second, room - kept)), axis=1)


def wrapped_lengths(store: Store, columns: Sequence[str], template: Template, longest: int) -> np.ndarray:
    """Ids of each row once wrapped and cut to ``longest``, [rows, 1]: what ``plan_batches(…, extra=0)`` wants."""
    lengths = np.stack([np.diff(store.offsets[name].astype(np.int64)) for name in columns], axis=1)
    specials = template.specials(len(columns))
    return cut_lengths(lengths, longest - specials).sum(axis=1, keepdims=True) + specials


def wrapped(
    store: Store, columns: Sequence[str], rows: Sequence[int] | np.ndarray, template: Template, pad: int, longest: int
) -> tuple[Tensor, Tensor]:
    """One text of each row, or two as one, within the template: ids [B T] and types [B T] (padding: 0).

    Rows of more than ``longest`` ids are cut, see ``cut_lengths``.
    """
    rows = np.asarray(rows, dtype=np.int64)
    begins = np.stack([store.offsets[name][rows].astype(np.int64) for name in columns], axis=1)
    ends = np.stack([store.offsets[name][rows + 1].astype(np.int64) for name in columns], axis=1)
    kept = cut_lengths(ends - begins, longest - template.specials(len(columns)))
    return _laid_out(store, columns, begins, kept, template, pad)


def text_pieces(store: Store, column: str, longest: int) -> np.ndarray:
    """The texts of a column cut into pieces of at most ``longest`` tokens, none empty, so that no token is lost.

    [pieces, 2]: where each begins among all ids of the column, and its tokens. Raises DataError where there is none.
    """
    offsets = store.offsets[column][:].astype(np.int64)
    lengths = offsets[1:] - offsets[:-1]
    counts = -(-lengths // longest)
    if not counts.sum():
        raise DataError.because(store.folder, "texts without tokens", "some tokens", "check the corpus")
    number = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    first = number * longest
    return np.stack(
        (np.repeat(offsets[:-1], counts) + first, np.minimum(np.repeat(lengths, counts) - first, longest)), axis=1
    )


def wrapped_pieces(store: Store, column: str, pieces: np.ndarray, template: Template, pad: int) -> Tensor:
    """Some of the ``text_pieces``, each within the template: ids [B T]."""
    return _laid_out(store, [column], pieces[:, :1], pieces[:, 1:], template, pad)[0]


def _laid_out(
    store: Store, columns: Sequence[str], begins: np.ndarray, kept: np.ndarray, template: Template, pad: int
) -> tuple[Tensor, Tensor]:
    """``kept`` tokens of each column from ``begins`` on, both [rows, columns], within the template."""
    ids = np.full((len(kept), int(kept.sum(axis=1).max()) + template.specials(len(columns))), pad, dtype=np.int64)
    types = np.zeros_like(ids)
    positions = np.arange(ids.shape[1])
    at = _put(ids, np.zeros(len(kept), np.int64), template.before)
    for number, name in enumerate(columns):
        if number:
            at = _put(ids, at, template.between)
            inside = (positions >= at[:, None]) & (positions < (at + kept[:, 1] + len(template.after))[:, None])
            types[inside] = template.second_type
        inside = (positions >= at[:, None]) & (positions < (at + kept[:, number])[:, None])
        ids[inside] = store.ids[name][((begins[:, number] - at)[:, None] + positions)[inside]]
        at = at + kept[:, number]
    _put(ids, at, template.after)
    return torch.from_numpy(ids), torch.from_numpy(types)


def _put(ids: np.ndarray, at: np.ndarray, specials: tuple[int, ...]) -> np.ndarray:
    """Write ``specials`` into each row from ``at`` on; where they end."""
    for number, special in enumerate(specials):
        ids[np.arange(len(ids)), at + number] = special
    return at + len(specials)


def collate_labelled(
    store: Store,
    rows: Sequence[int] | np.ndarray,
    template: Template,
    pad: int,
    longest: int,
    columns: Sequence[str] = ("text",),
    label: str = "label",
    pieces: str | None = None,
) -> LabelledBatch:
    """The rows as one batch for classification; ``columns`` are one text or two.

    ``pieces`` is the column of a ``PieceCounter``, where each word has a label: it stands at the word's first piece,
    and the others are IGNORED (Devlin et al. 2019, section 5.3).
    """
    rows = np.asarray(rows, dtype=np.int64)
    ids, types = wrapped(store, columns, rows, template, pad, longest)
    if pieces is None:
        labels = store.ids[label][store.offsets[label][rows].astype(np.int64)].astype(np.int64)
        return LabelledBatch(ids, types, torch.from_numpy(labels), len(rows))
    placed = np.full(ids.shape, IGNORED, dtype=np.int64)
    end = longest - len(template.after)
    for number, row in enumerate(rows.tolist()):
        counts = store.row(pieces, row).astype(np.int64)
        places = len(template.before) + np.cumsum(counts) - counts
        shown = (counts > 0) & (places < end)
        placed[number, places[shown]] = store.row(label, row)[shown]
    return LabelledBatch(ids, types, torch.from_numpy(placed), int((placed != IGNORED).sum()))


def collate_couples(
    store: Store,
    rows: Sequence[int] | np.ndarray,
    template: Template,
    pad: int,
    longest: int,
    columns: tuple[str, str] = ("first", "second"),
) -> CouplesBatch:
    """The two texts of each row, each within the template by itself. The same column twice is a text with itself."""
    first, second = (wrapped(store, [name], rows, template, pad, longest)[0] for name in columns)
    return CouplesBatch(first, second, len(first))
