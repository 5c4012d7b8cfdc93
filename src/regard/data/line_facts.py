"""What an inspection keeps of each line, so that a corpus of any size fits: a few numbers, 22 bytes a line.

Texts are compared by a 64-bit hash of them without case and repeated spaces.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

ENDINGS = ("none", ".", "?", "!", ":")
_ENDING_OF = {
    character: number
    for number, characters in enumerate(("", ".。．।۔…", "?？؟", "!！", ":：;"))
    for character in characters
}
_CLOSING = " \t\u00a0\"'”’“‘»«)]}」』）"
_DAMAGE = re.compile(
    "\ufffd|Ã[\u0080-\u00bf\u0178\u0152-\u0153\u201c-\u201e]|â€|Â[\u00a0-\u00bf]"
)  # UTF-8 once read as Latin-1
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Facts:
    """One value for each line of a side."""

    characters: NDArray[np.uint32]
    words: NDArray[np.uint32]
    key: NDArray[np.uint64]  # equal texts have equal keys; 0 for an empty line
    digits: NDArray[np.uint32]  # equal sets of digits have equal values; 0 for none
    digit_count: NDArray[np.uint8]
    ending: NDArray[np.uint8]  # an index into ENDINGS

    def __len__(self) -> int:
        return len(self.key)


class SideReader:
    """Collects the facts of one side, line by line; ``letters``: also how often each character occurs."""

    def __init__(self, *, letters: bool = True) -> None:
        self.letters: Counter[str] = Counter()
        self._counts_letters = letters
        self.damaged = array("Q")  # rows, from 0
        self._columns = {name: array(kind) for name, kind in _KINDS.items()}

    def add(self, text: str) -> None:
        """Take in one line."""
        words = text.split()
        digits = _DIGIT.findall(text)
        if not text.isascii() and _DAMAGE.search(text):
            self.damaged.append(len(self._columns["key"]))
        if self._counts_letters:
            self.letters.update(text)
        values = {
            "characters": len(text.strip()),
            "words": len(words),
            "key": text_key(" ".join(words).casefold()),
            "digits": _digits_key(digits) if digits else 0,
            "digit_count": min(len(digits), 255),
            "ending": _ENDING_OF.get(text.rstrip(_CLOSING)[-1:], 0),
        }
        for name, value in values.items():
            self._columns[name].append(value)

    def facts(self) -> Facts:
        """Everything that was taken in."""
        return Facts(**{name: np.asarray(column) for name, column in self._columns.items()})


_KINDS = {"characters": "I", "words": "I", "key": "Q", "digits": "I", "digit_count": "B", "ending": "B"}


def text_key(plain: str) -> int:
    """A 64-bit hash of a text, 0 only for the empty one."""
    if not plain:
        return 0
    return int.from_bytes(blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") or 1


def _digits_key(digits: list[str]) -> int:
    """A 32-bit hash of digits in any order, as 0 to 9 whatever script they are in; 0 is for none."""
    plain = sorted(str(unicodedata.decimal(digit)) for digit in digits)
    return crc32("".join(plain).encode()) or 1


def scripts(characters: Counter[str]) -> dict[str, int]:
    """How many characters are of each script (by their Unicode names), or digits, punctuation and so on."""
    counts: Counter[str] = Counter()
    for character, count in characters.items():
        counts[_script(character)] += count
    return dict(counts.most_common())


def _script(character: str) -> str:
    kind = unicodedata.category(character)[0]
    if kind in "LM":
        name = unicodedata.name(character, "unnamed").split()[0]
        return name.split("-")[0].capitalize() if name != "CJK" else "CJK"
    return {"N": "digits", "P": "punctuation", "S": "symbols", "Z": "spaces", "C": "control characters"}[kind]
