"""A sentencepiece ``.model`` file read by hand: the few fields of its protocol buffer that say how a text is cut.

Wire format: a field is a varint ``number << 3 | type`` and then a varint (type 0), 8 bytes (1), a length and as many
bytes (2), or 4 bytes (5); see the encoding page of the Protocol Buffers documentation. The field numbers are those of
``sentencepiece_model.proto`` (Kudo and Richardson 2018). Every length is checked before anything is read.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from regard.data.plain_file import VOCABULARY_BYTES, read_plain
from regard.errors import CheckpointError

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
UNIGRAM, BPE = 1, 2
LONGEST_VARINT = 10  # bytes: 64 bits, seven in each


@dataclass(frozen=True)
class Piece:
    """One entry of the vocabulary. ``score`` is a log-probability (unigram) or minus the rank of a merge (BPE)."""

    text: str
    score: float
    kind: int


@dataclass(frozen=True)
class PieceModel:
    """What a .model file says. ``charsmap`` is a compiled table of normalisations, ``rule`` its name."""

    pieces: tuple[Piece, ...]
    model_type: int
    byte_fallback: bool
    rule: str
    charsmap: bytes
    add_dummy_prefix: bool
    remove_extra_whitespaces: bool


class _DamagedError(Exception):
    """The bytes are no such file."""


def read_piece_model(path: Path) -> PieceModel:
    """Read a ``.model`` or ``.spm`` file. Raises CheckpointError where it is missing, damaged, or of another kind."""
    expected, action = "a sentencepiece model", "download the file again"
    try:
        model = _read(read_plain(path, VOCABULARY_BYTES))
    except OSError as error:
        raise CheckpointError.because(path, "no readable file", expected, action) from error
    except (_DamagedError, UnicodeDecodeError) as error:
        got = "text that is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise CheckpointError.because(path, got, f"a whole {expected[2:]}", action) from error
    if model is None:
        kinds = "one of unigram or BPE pieces that begin with their space"
        raise CheckpointError.because(path, "another kind of model", kinds, "use a folder with tokenizer.json")
    return model


def _read(data: bytes) -> PieceModel | None:
    pieces: list[Piece] = []
    trainer: dict[int, int | bytes] | None = None
    normalizer: dict[int, int | bytes] | None = None
    for number, value in _fields(data):
        if number == 1:
            pieces.append(_piece(_last(_bytes(value))))
        elif number == 2:
            trainer = _last(_bytes(value))
        elif number == 3:
            normalizer = _last(_bytes(value))
    if not pieces or trainer is None or normalizer is None:
        raise _DamagedError(f"{len(pieces)} pieces and then no end")
    if len({piece.text for piece in pieces}) < len(pieces):
        raise _DamagedError("the same piece twice")
    if sum(piece.kind == UNKNOWN for piece in pieces) != 1:
        raise _DamagedError("no single piece for the unknown")
    model_type = _number(trainer, 3, 1)
    space_behind, escaped = _number(trainer, 24, 0), _number(normalizer, 5, 1)
    if model_type not in (UNIGRAM, BPE) or space_behind or not escaped:
        return None
    return PieceModel(
        tuple(pieces),
        model_type,
        byte_fallback=bool(_number(trainer, 35, 0)),
        rule=_bytes(normalizer.get(1, b"")).decode("utf-8"),
        charsmap=_bytes(normalizer.get(2, b"")),
        add_dummy_prefix=bool(_number(normalizer, 3, 1)),
        remove_extra_whitespaces=bool(_number(normalizer, 4, 1)),
    )


def _piece(fields: dict[int, int | bytes]) -> Piece:
    text = _bytes(fields.get(1, b"")).decode("utf-8")
    raw = _bytes(fields.get(2, bytes(4)))
    kind = _number(fields, 3, NORMAL)
    score = struct.unpack("<f", raw)[0] if len(raw) == 4 else math.nan
    if not text or not math.isfinite(score) or not NORMAL <= kind <= BYTE:
        raise _DamagedError(f"the piece {text!r} with score {score} and type {kind}")
    return Piece(text, score, kind)


def _last(data: bytes) -> dict[int, int | bytes]:
    """The last value of each field of a message, as the format prescribes."""
    return dict(_fields(data))


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise _DamagedError("a number in place of bytes")
    return value


def _number(fields: dict[int, int | bytes], number: int, default: int) -> int:
    value = fields.get(number, default)
    if isinstance(value, bytes):
        raise _DamagedError("bytes in place of a number")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) for each field of a message: an int for a varint, else the bytes."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise _DamagedError(f"a field without a number at byte {place}")
        if wire == VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        if wire == BYTES:
            length, place = _varint(data, place)
        elif wire in (EIGHT, FOUR):
            length = 8 if wire == EIGHT else 4
        else:
            raise _DamagedError(f"a field of the unknown type {wire} at byte {place}")
        if length > len(data) - place:
            raise _DamagedError(f"a field of {length} bytes where {len(data) - place} are left")
        yield number, data[place : place + length]
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for count in range(LONGEST_VARINT):
        if place + count >= len(data):
            raise _DamagedError("an end in the middle of a number")
        byte = data[place + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, place + count + 1
    raise _DamagedError(f"a number of more than {LONGEST_VARINT} bytes")
