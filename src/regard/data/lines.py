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
BAD_TEXT = ("fail", "drop")  # what becomes of bytes that are not UTF-8: an error, or texts that are not ``is_whole``
MOST_UNPACKED = 50 * 10**9  # bytes out of a .gz
MOST_TIMES, NEVER_SUSPICIOUS = 100, 256 * 2**20  # of its own size, where that is more than so many bytes
_BOM, _UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
_PACKED = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}


class Unpacked(gzip.GzipFile):
    """The bytes of a ``.gz``, of which there may be so many: a few kilobytes can be made to hold the disk's worth."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self.path, self.packed, self.unpacked = path, path.stat().st_size, 0

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes. Raises DataError where there were too many."""
        return self._counted(super().read(size))

    def readline(self, size: int | None = -1) -> bytes:
        """A line, or its first ``size`` bytes. Raises DataError where there were too many."""
        return self._counted(super().readline(-1 if size is None else size))

    def _counted(self, block: bytes) -> bytes:
        self.unpacked += len(block)
        most = min(MOST_UNPACKED, max(NEVER_SUSPICIOUS, MOST_TIMES * self.packed))
        if self.unpacked > most:
            got, expected = f"more than {most} bytes out of {self.packed}", f"at most {MOST_TIMES} times its size"
            raise DataError.because(self.path, got, expected, "unpack it yourself, if it is meant to be so")
        return block


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
        return cast(BinaryIO, Unpacked(path)) if packed else path.open("rb")
    except FileNotFoundError as error:
        raise DataError.because(path, "no such file", "a text file", "check the path") from error
    except (OSError, ValueError) as error:  # no permission, a name that is too long or holds a NUL
        raise DataError.because(path, error, "a readable file", "check the path and its permissions") from error


def text_lines(path: Path, longest: int = LONGEST_LINE, bad_text: str = "fail") -> Iterator[str]:
    """The lines of a file; see ``decoded_lines``. Raises DataError where there are none, or the .gz is damaged."""
    number = 0
    with open_text(path) as stream:
        try:
            for number, line in enumerate(decoded_lines(stream, path, longest, bad_text), start=1):  # noqa: B007
                yield line
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            got = "a damaged or truncated .gz file"
            raise DataError.at(path, number + 1, got, "a whole one", "copy or compress it again") from error
    if not number:
        raise DataError.because(path, "an empty file", "one sentence a line", "check how it was made")


def decoded_lines(
    stream: BinaryIO, name: Path | str, longest: int = LONGEST_LINE, bad_text: str = "fail"
) -> Iterator[str]:
    r"""The lines of a stream of UTF-8, in Unicode NFC, without their ends.

    A line ends at ``\n`` or ``\r\n`` and nowhere else: ``str.splitlines`` would also split at U+2028, U+0085 and
    others, and so move the two languages of a corpus against each other. A byte order mark is dropped.
    Raises DataError with ``NAME:LINE`` for bytes that are not UTF-8 and for more than ``longest`` characters, and
    where lines end otherwise, or the bytes are those of a packed file. With ``bad_text`` "drop", a line that is not
    UTF-8 comes as one that is not ``is_whole``: whoever reads leaves it out, and its partner.
    """
    most = 4 * (longest + 1) + len("\r\n") + 1  # bytes: a longer line has more characters, the mark included
    offset = number = 0
    while raw := stream.readline(most):
        number += 1
        if number == 1:
            _refuse_other_files(raw, name)
            _refuse_returns(raw if len(raw) < most else b"", name)
        begin = 1 if number == 1 and raw.startswith(_BOM) else 0
        text = _decode(raw, name, number, offset, bad_text) if len(raw) < most else ""
        text = text[begin:].removesuffix("\n").removesuffix("\r")
        if len(raw) == most or len(text) > longest:
            action = "split it into sentences, one a line"
            raise DataError.at(name, number, f"more than {longest} characters", f"at most {longest} in a line", action)
        offset += len(raw)
        yield text if text.isascii() else normalize("NFC", text)


def is_whole(text: str) -> bool:
    """Whether every character of a text came out of UTF-8: none is the lone surrogate that stands for a bad byte."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _refuse_other_files(raw: bytes, name: Path | str) -> None:
    """What is no text by its first bytes: its lines could not even be counted."""
    if raw.startswith(_UTF16):
        raise DataError.because(name, "UTF-16 (by its first two bytes)", "UTF-8", "save it as UTF-8")
    for begin, packer in _PACKED.items():
        if raw.startswith(begin):
            got = f"a file packed by {packer} (by its first bytes)"
            raise DataError.because(name, got, "plain text, or one .gz", "unpack it, or end its name in .gz")


def _refuse_returns(raw: bytes, name: Path | str) -> None:
    """A text without any line feed but with carriage returns inside: it has other lines than anyone would think."""
    if not raw.endswith(b"\n") and b"\r" in raw.rstrip(b"\r"):
        got = "carriage returns and not one line feed"
        raise DataError.because(name, got, r"lines that end with \n or \r\n", "save it with the line ends of Unix")


def _decode(raw: bytes, name: Path | str, number: int, offset: int, bad_text: str) -> str:
    try:
        return raw.decode("utf-8", "strict" if bad_text == "fail" else "surrogateescape")
    except UnicodeDecodeError as error:
        cut_off = not raw.endswith(b"\n") and error.reason == "unexpected end of data"
        what = "a character cut off" if cut_off else f"the byte 0x{raw[error.start]:02X}, which is not UTF-8,"
        got = f"{what} at byte {error.start + 1} of the line (byte {offset + error.start + 1} of the file)"
        raise DataError.at(name, number, got, "UTF-8", "save the file as UTF-8 or repair the line") from error


def dropped_bytes(path: Path) -> str:
    r"""A sentence on what ``decoded_lines`` drops of a file, a byte order mark and the ``\r`` of ``\r\n``; or ""."""
    marked, ends, last = False, 0, b""
    with open_text(path) as stream:
        while block := stream.read(1 << 20):
            marked = marked or (not last and block.startswith(_BOM))
            ends += block.count(b"\r\n") + (last == b"\r" and block.startswith(b"\n"))
            last = block[-1:]
    found = ["a byte order mark"] * marked + [f"the \\r of {ends:,} line ends \\r\\n"] * bool(ends)
    return f"{path}: dropped {' and '.join(found)}" if found else ""


def count_lines(path: Path) -> int:
    """How many lines a file has, by its bytes. Raises DataError as ``text_lines``."""
    count, last, returns = 0, b"\n", False
    with open_text(path) as stream:
        try:
            while block := stream.read(1 << 20):
                if last == b"\n" and not count:
                    _refuse_other_files(block, path)  # the count would be wrong
                count += block.count(b"\n")
                last = block[-1:]
                returns = returns or (not count and b"\r" in block.rstrip(b"\r"))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            got = "a damaged or truncated .gz file"
            raise DataError.at(path, count + 1, got, "a whole one", "copy or compress it again") from error
    if returns and not count:
        _refuse_returns(b"\r.", path)
    return count + (last != b"\n")
