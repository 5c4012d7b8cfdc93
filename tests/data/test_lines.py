from __future__ import annotations

import gzip
import io
import os
import re
import tracemalloc
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.data.lines import count_lines, decoded_lines, text_lines
from regard.errors import DataError


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["text.txt", "text.gz", "text.en.GZ"])
def test_the_lines_come_as_they_were_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = "Ein Hund läuft.\n\nÄpfel\tund  Birnen "
    path.write_bytes(gzip.compress(content.encode()) if name.lower().endswith("gz") else content.encode())
    assert list(text_lines(path)) == ["Ein Hund läuft.", "", "Äpfel\tund  Birnen "]
    assert count_lines(path) == 3


def test_a_line_ends_at_a_newline_only(tmp_path: Path) -> None:
    odd = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\rh"
    path = write(tmp_path / "odd.txt", f"{odd}\nsecond\n".encode())
    assert list(text_lines(path)) == [odd, "second"]
    assert count_lines(path) == 2


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cn"], exclude_characters="\n\r\ufeff")), min_size=1))
def test_any_lines_come_back_in_nfc(lines: list[str]) -> None:
    stream = io.BytesIO("".join(f"{line}\n" for line in lines).encode())
    assert list(decoded_lines(stream, "it")) == [normalize("NFC", line) for line in lines]


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"\xef\xbb\xbfa\nb\n", ["a", "b"]),  # a byte order mark
        (b"a\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),  # not at the beginning of the file: part of the text
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\rb\n", ["a\rb"]),
        (b"a\n", ["a"]),
        (b"a", ["a"]),
        (b"\n", [""]),
        (b"a\x00b\n", ["a\x00b"]),
        ("a\u0308\n".encode(), ["ä"]),
        ("\u1112\u1161\u11ab".encode(), ["한"]),
    ],
)
def test_marks_and_ends_of_lines_are_dropped(tmp_path: Path, content: bytes, lines: list[str]) -> None:
    path = write(tmp_path / "text", content)
    assert list(text_lines(path)) == lines
    assert count_lines(path) == len(lines)


@pytest.mark.parametrize(
    ("bad", "byte", "place"),
    [
        (b"caf\xe9 au lait", "0xE9", 4),  # Latin-1
        (b"\xc0\xaf", "0xC0", 1),  # overlong
        (b"ab\xed\xa0\x80", "0xED", 3),  # half of a surrogate pair
        (b"\xf5\x80\x80\x80", "0xF5", 1),  # beyond U+10FFFF
        ("ä".encode() + b"\x80", "0x80", 3),  # a byte too many: bytes are counted, not characters
    ],
)
def test_a_byte_that_is_not_utf8_is_named_with_file_line_and_place(
    tmp_path: Path, bad: bytes, byte: str, place: int
) -> None:
    path = write(tmp_path / "bad.de", b"good\n" + bad + b"\nrest\n")
    stream = text_lines(path)
    assert next(stream) == "good"
    got = rf"{re.escape(str(path))}:2: got the byte {byte}, which is not UTF-8, at byte {place} of the line"
    with pytest.raises(DataError, match=rf"{got} \(byte {5 + place} of the file\)"):
        next(stream)


def test_a_character_cut_off_at_the_end_is_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "cut", "ab €".encode()[:-1])
    with pytest.raises(DataError, match=r"cut:1: got a character cut off at byte 4 of the line"):
        list(text_lines(path))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_recognised(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "windows.txt", "\ufeffHallo\n".encode(encoding))
    with pytest.raises(DataError, match=r"got UTF-16 \(by its first two bytes\); expected UTF-8; save it as UTF-8"):
        list(text_lines(path))


def test_a_line_may_have_so_many_characters_and_no_more(tmp_path: Path) -> None:
    for character in "a€😀":
        path = write(tmp_path / "long", f"{character * 10}\r\n{character * 10}\n".encode())
        assert list(text_lines(path, longest=10)) == [character * 10] * 2
        with pytest.raises(DataError, match="long:1: got more than 9 characters; expected at most 9 in a line; split"):
            list(text_lines(path, longest=9))


def test_a_file_that_is_one_endless_line_is_never_read_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "endless", b"x" * 20_000_000)
    tracemalloc.start()
    with pytest.raises(DataError, match="endless:1: got more than 1000 characters"):
        list(text_lines(path, longest=1000))
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("read", [lambda path: list(text_lines(path)), count_lines], ids=["lines", "count"])
class TestWhatCannotBeRead:
    def test_a_directory(self, tmp_path: Path, read) -> None:
        with pytest.raises(DataError, match="got a directory; expected a file; name a file in it"):
            read(tmp_path)

    def test_a_pipe(self, tmp_path: Path, read) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match="got a pipe or device; expected a regular file; write its content to a"):
            read(tmp_path / "pipe")

    def test_a_missing_file(self, tmp_path: Path, read) -> None:
        with pytest.raises(DataError, match=r"none.de: got no such file; expected a text file; check the path"):
            read(tmp_path / "none.de")

    def test_an_empty_file(self, tmp_path: Path, read) -> None:
        with pytest.raises(DataError, match="got an empty file; expected one sentence a line; check how it was made"):
            read(write(tmp_path / "empty", b""))

    def test_a_path_that_no_file_can_have(self, tmp_path: Path, read) -> None:
        for name in ("x" * 300, "a\0b"):
            with pytest.raises(DataError, match="expected a readable file; check the path and its permissions"):
                read(tmp_path / name)

    @pytest.mark.parametrize("keep", [30, -4, 5])
    def test_a_truncated_gz(self, tmp_path: Path, read, keep: int) -> None:
        whole = gzip.compress(os.urandom(3000).hex().encode() + b"\n")
        (tmp_path / "cut.gz").write_bytes(whole[:keep])
        with pytest.raises(DataError, match=r"cut\.gz:\d+: got a damaged or truncated \.gz file; expected a whole one"):
            read(tmp_path / "cut.gz")

    def test_plain_text_that_is_called_gz(self, tmp_path: Path, read) -> None:
        (tmp_path / "text.gz").write_bytes(b"Hallo\n")
        with pytest.raises(DataError, match="copy or compress it again"):
            read(tmp_path / "text.gz")


def test_a_gz_of_nothing_is_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got an empty file; expected one sentence a line"):
        list(text_lines(write(tmp_path / "nothing.gz", b"")))
