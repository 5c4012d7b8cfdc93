"""Whether a compiled table of normalisations is whole: the library that looks things up in it checks nothing.

The table is the size of a double array in bytes (four bytes, little endian), the array of 32-bit units, and the
replacements, each with a zero byte behind. A unit holds the byte that leads to it (bits 0 to 7 and 31), whether a key
ends there (bit 8), and how far its children are (bits 10 to 31, times 256 where bit 9 is set); a leaf holds the place
of a replacement in bits 0 to 30 (Yata et al. 2007; darts-clone, which sentencepiece compiles with).
"""

from __future__ import annotations

import numpy as np


def is_whole_charsmap(data: bytes) -> bool:
    """Whether every key that can be looked up stays inside the table and leads to UTF-8 text."""
    size = int.from_bytes(data[:4], "little")
    if size < 4 or size % 4 or size > len(data) - 4:
        return False
    units = np.frombuffer(data[4 : 4 + size], dtype="<u4").astype(np.int64)
    replacements = data[4 + size :]
    try:
        replacements.decode("utf-8")
    except UnicodeDecodeError:
        return False
    leaves = _leaves(units)
    if leaves is None or (leaves.size and leaves.max() >= len(replacements)):
        return False
    bytes_there = np.frombuffer(replacements, dtype=np.uint8)[leaves]
    return bool((bytes_there & 0xC0 != 0x80).all())  # where a character begins


def _leaves(units: np.ndarray) -> np.ndarray | None:
    """The values of all keys, or None where a key leads out of the array."""
    found: list[np.ndarray] = []
    places = _children(units[:1], np.zeros(1, dtype=np.int64))
    seen = np.zeros(units.size, dtype=bool)
    while places.size:
        if (places | 0xFF).max() >= units.size:
            return None
        seen[places] = True
        next_places: list[np.ndarray] = []
        for byte in range(1, 256):
            here = places ^ byte
            unit = units[here]
            taken = (unit & 0x800000FF) == byte
            base = _children(unit[taken], here[taken])
            if base.size and base.max() >= units.size:
                return None
            found.append(units[base[(unit[taken] >> 8 & 1) == 1]] & 0x7FFFFFFF)
            next_places.append(base)
        places = np.unique(np.concatenate(next_places))
        places = places[~seen[places]]  # keys with the same ending share it
    return np.concatenate([np.zeros(0, dtype=np.int64), *found])


def _children(unit: np.ndarray, place: np.ndarray) -> np.ndarray:
    return place ^ (unit >> 10 << ((unit & 0x200) >> 6))
