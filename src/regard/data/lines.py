"""Bytes to lines of text: checked, normalised and never more than one line in memory."""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast
from unicodedata import normalize

from regard.errors import DataError

LONGEST_LINE = 1_000_000  # characters: beyond this, a file is hardly one sentence a line
_BOM, _UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")


def open_text(path: Path) -> BinaryIO:
    """The bytes of a regular file that is not empty, unpacked where its name ends in ``.gz``. Raises DataError."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise DataError.because(path, "a directory", "a file", "name a file in it")
        if not stat.S_ISREG(status.st_mode):
            action = "write its content to a file, since training reads it more than once"
            raise DataError.because(path, "a pipe or device", "a regular file", action)
        if not status.st_size:
            raise DataError.because(path, "an empty file", "one sentence a line", "check how it was made")
        packed = path.name.lower().endswith(".gz")
        return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")
    except FileNotFoundError as error:
        raise DataError.because(path, "no such file", "a text file", "check the path") from error
    except (OSError, ValueError) as error:  # no permission, a name that is too long or holds a NUL
        raise DataError.because(path, error, "a readable file", "check the path and its permissions") from error


def text_lines(path: Path, longest: int = LONGEST_LINE) -> Iterator[str]:
    """The lines of a file; see ``decoded_lines``. Raises DataError where there are none, or the .gz is damaged."""
    number = 0
    with open_text(path) as stream:
        try:
            for number, line in enumerate(decoded_lines(stream, path, longest), start=1):  # noqa: B007
                yield line
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            got = "a damaged or truncated .gz file"
            raise DataError.at(path, number + 1, got, "a whole one", "copy or compress it again") from error
    if not number:
        raise DataError.because(path, "an empty file", "one sentence a line", "check how it was made")


def decoded_lines(stream: BinaryIO, name: Path | str, longest: int = LONGEST_LINE) -> Iterator[str]:
    r"""The lines of a stream of UTF-8, in Unicode NFC, without their ends.

    A line ends at ``\n`` or ``\r\n`` and nowhere else: ``str.splitlines`` would also split at U+2028, U+0085 and
    others, and so move the two languages of a corpus against each other. A byte order mark is dropped.
    Raises DataError with ``NAME:LINE`` for bytes that are not UTF-8 and for more than ``longest`` characters.
    """
    most = 4 * (longest + 1) + len("\r\n") + 1  # bytes: a longer line has more characters, the mark included
    offset = number = 0
    while raw := stream.readline(most):
        number += 1
        if number == 1:
            _refuse_utf16(raw, name)
        begin = 1 if number == 1 and raw.startswith(_BOM) else 0
        text = _decode(raw, name, number, offset) if len(raw) < most else ""
        text = text[begin:].removesuffix("\n").removesuffix("\r")
        if len(raw) == most or len(text) > longest:
            action = "split it into sentences, one a line"
            raise DataError.at(name, number, f"more than {longest} characters", f"at most {longest} in a line", action)
        offset += len(raw)
        yield text if text.isascii() else normalize("NFC", text)


def _refuse_utf16(raw: bytes, name: Path | str) -> None:
    if raw.startswith(_UTF16):
        raise DataError.because(name, "UTF-16 (by its first two bytes)", "UTF-8", "save it as UTF-8")


def _decode(raw: bytes, name: Path | str, number: int, offset: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        cut_off = not raw.endswith(b"\n") and error.reason == "unexpected end of data"
        what = "a character cut off" if cut_off else f"the byte 0x{raw[error.start]:02X}, which is not UTF-8,"
        got = f"{what} at byte {error.start + 1} of the line (byte {offset + error.start + 1} of the file)"
        raise DataError.at(name, number, got, "UTF-8", "save the file as UTF-8 or repair the line") from error


def count_lines(path: Path) -> int:
    """How many lines a file has, by its bytes. Raises DataError as ``text_lines``."""
    count, last = 0, b"\n"
    with open_text(path) as stream:
        try:
            while block := stream.read(1 << 20):
                if last == b"\n" and not count:
                    _refuse_utf16(block, path)  # whose line ends are two bytes, so that the count would be wrong
                count += block.count(b"\n")
                last = block[-1:]
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            got = "a damaged or truncated .gz file"
            raise DataError.at(path, count + 1, got, "a whole one", "copy or compress it again") from error
    return count + (last != b"\n")
