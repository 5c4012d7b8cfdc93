"""What a tokenizer puts around a text, or around two: read off what its file does, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tokenizers import Encoding
from tokenizers import Tokenizer as Library


class Wrapped(NamedTuple):
    """Ids with the special tokens around, and for each the number of its segment: 0, or 1 in BERT's second text."""

    ids: list[int]
    types: list[int]


@dataclass(frozen=True)
class Slot:
    """A place of a template: the special token ``index``, or (where that is None) the text number ``text``."""

    index: int | None
    text: int
    type: int


@dataclass(frozen=True)
class Template:
    """The places for a single text and for a pair."""

    single: tuple[Slot, ...]
    pair: tuple[Slot, ...]

    def wrap(self, first: Sequence[int], second: Sequence[int] | None = None) -> Wrapped:
        """The ids of one text or two with everything around them."""
        ids: list[int] = []
        types: list[int] = []
        for slot in self.single if second is None else self.pair:
            if slot.index is not None:
                here: Sequence[int] = (slot.index,)
            else:
                here = first if slot.text == 0 or second is None else second
            ids += here
            types += [slot.type] * len(here)
        return Wrapped(ids, types)

    def closing(self) -> int | None:
        """The token after a single text where there is one in front of it too, as in ``[CLS] A [SEP]``."""
        indices = [slot.index for slot in self.single]
        return indices[2] if len(indices) == 3 and indices[1] is None else None


def find_template(library: Library, pieces: Sequence[str]) -> Template:
    """The template of the file: a text is wrapped, alone and as a pair, and looked at. ``pieces`` are texts to try."""
    for text in ("a", "0", "가", *pieces):
        if library.encode(text, add_special_tokens=False).ids:
            return Template(tuple(_slots(library.encode(text))), tuple(_slots(library.encode(text, text))))
    return Template((Slot(None, 0, 0),), (Slot(None, 0, 0), Slot(None, 1, 0)))


def _slots(encoding: Encoding) -> Iterator[Slot]:
    before: int | None = None
    for index, text, kind in zip(encoding.ids, encoding.sequence_ids, encoding.type_ids, strict=True):
        if text is None:
            yield Slot(index, 0, kind)
        elif text != before:
            yield Slot(None, text, kind)
        before = text
