"""Ways to damage a file: each is a function of a source of chance alone, so that a seed repeats it."""

from __future__ import annotations

import json
import pickletools
import random
import re
import struct
from collections.abc import Callable
from typing import Any

Mutation = Callable[[bytes, random.Random], bytes]

HUGE = 1 << 16  # a file does not grow by more than this
BYTES = (b"\x00", b"\xff", b"\x80", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80", b"\x1b[31m", b"\n", b"\r")
NUMBERS = (0, 1, -1, 2, 7, 255, 2**15, 2**31 - 1, 2**31, 2**32, 2**48, 2**63 - 1, 2**63, 2**64 - 1, 10**9, 10**30)
STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *(
        "",
        "a",
        "512",
        "true",
        "../../etc/passwd",
        "/etc/passwd",
        "\x00",
        "\ud800",
        "가",
        "</s>",
        "os.system",
        "x" * 5000,
    ),
    *([], {}, [[]], [None], {"": None}, [0] * 50, {"__class__": "os.system"}),
)


def flip(data: bytes, chance: random.Random) -> bytes:
    """One to eight bits the other way."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def set_bytes(data: bytes, chance: random.Random) -> bytes:
    """Some bytes replaced by others."""
    place, piece = chance.randrange(len(data) + 1), chance.choice(BYTES)
    return data[:place] + piece + data[place + len(piece) :]


def truncate(data: bytes, chance: random.Random) -> bytes:
    """The beginning of the file, or its end."""
    place = chance.randrange(len(data) + 1)
    return data[:place] if chance.random() < 0.7 else data[place:]


def extend(data: bytes, chance: random.Random) -> bytes:
    """More behind: zeros, noise, or the file again."""
    count = chance.choice((1, 8, 4096, HUGE))
    return data + chance.choice((bytes(count), chance.randbytes(count), data[:HUGE]))


def splice(data: bytes, chance: random.Random) -> bytes:
    """A part of the file put in another place, over what is there or between."""
    first, second, third = (chance.randrange(len(data) + 1) for _ in range(3))
    part = data[min(first, second) : max(first, second)][:HUGE]
    return data[:third] + part + data[third + (len(part) if chance.random() < 0.5 else 0) :]


def cut_out(data: bytes, chance: random.Random) -> bytes:
    """A part missing."""
    place = chance.randrange(len(data) + 1)
    return data[:place] + data[place + chance.choice((1, 2, 8, 64, 1000)) :]


def number_in_text(data: bytes, chance: random.Random) -> bytes:
    """One number of a text another."""
    found = list(re.finditer(rb"-?\d+", data[: 1 << 20]))
    if not found:
        return set_bytes(data, chance)
    match = chance.choice(found)
    return data[: match.start()] + str(chance.choice(NUMBERS)).encode() + data[match.end() :]


def number_in_bytes(data: bytes, chance: random.Random) -> bytes:
    """Four or eight bytes as the number that they could be."""
    place, (form, most) = chance.randrange(len(data) + 1), chance.choice((("<I", 2**32), ("<Q", 2**64)))
    number = struct.pack(form, chance.choice(NUMBERS) % most)
    return data[:place] + number + data[place + len(number) :]


def in_json(data: bytes, chance: random.Random) -> bytes:
    """One to three values, keys or entries of a JSON text changed; of anything else, bytes."""
    try:
        table = json.loads(data)
    except (ValueError, RecursionError):
        return flip(data, chance)
    return _as_json(_edited(table, chance))


def in_json_lines(data: bytes, chance: random.Random) -> bytes:
    """The same in one line."""
    lines = data.split(b"\n")
    row = chance.randrange(len(lines))
    return b"\n".join([*lines[:row], in_json(lines[row], chance), *lines[row + 1 :]])


def in_header(data: bytes, chance: random.Random) -> bytes:
    """The JSON in front of a safetensors file, its length set right again."""
    length = int.from_bytes(data[:8], "little")
    text = in_json(data[8 : 8 + length], chance)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def in_opcodes(data: bytes, chance: random.Random) -> bytes:
    """An opcode of the pickle inside put twice, left out or moved."""
    start = max(0, data.find(b"\x80\x02"))
    try:
        places = [place for _, _, place in pickletools.genops(data[start:])]
    except ValueError:
        return splice(data, chance)
    first, second = sorted(start + chance.choice(places) for _ in range(2))
    middle = data[first:second]
    other = start + chance.choice(places)
    return chance.choice((data[:first] + data[second:], data[:other] + middle + data[other:]))


def _as_json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _edited(table: Any, chance: random.Random) -> Any:
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        table = _edit_once(table, chance)
    return table


def _edit_once(value: Any, chance: random.Random) -> Any:
    """Go down at random and change what is there."""
    if isinstance(value, dict | list) and value and chance.random() < 0.85:
        places = list(value) if isinstance(value, dict) else range(len(value))
        place = chance.choice(list(places))
        changed = dict(value) if isinstance(value, dict) else list(value)
        what = chance.random()
        if what < 0.1:
            del changed[place]
        elif what < 0.2 and isinstance(changed, dict):
            changed[str(chance.choice(STRANGE))] = changed.pop(place)
        elif what < 0.3:
            changed[place] = changed[chance.choice(list(places))]
        else:
            changed[place] = _edit_once(changed[place], chance)
        return changed
    near = [value + 1, value - 1, -value, value * 2] if type(value) in (int, float) else [[value], str(value)[:1000]]
    return chance.choice([*NUMBERS, *STRANGE, *near, *near])


ANY: tuple[Mutation, ...] = (flip, set_bytes, truncate, extend, splice, cut_out)
TEXT: tuple[Mutation, ...] = (*ANY, number_in_text)
JSON: tuple[Mutation, ...] = (*TEXT, *[in_json] * 10)
JSON_LINES: tuple[Mutation, ...] = (*TEXT, *[in_json_lines] * 10)
SAFETENSORS: tuple[Mutation, ...] = (*ANY, number_in_bytes, *[in_header] * 6)
BINARY: tuple[Mutation, ...] = (*ANY, number_in_bytes)
PICKLE: tuple[Mutation, ...] = (*BINARY, *[in_opcodes] * 5)
