from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from tokenizers import normalizers

from regard.data.tokenizers.charsmap import is_whole_charsmap
from regard.data.tokenizers.public_tokenizer import open_tokenizer
from regard.data.tokenizers.sentencepiece_model import read_piece_model
from regard.errors import CheckpointError

sentencepiece = pytest.importorskip("sentencepiece")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    lines = ["the quick brown fox", "jumps over the lazy dog", "안녕 세계"] * 30
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(folder / "spiece"), vocab_size=35, minloglevel=2, num_threads=1
    )
    return folder / "spiece.model"


def test_every_field_is_what_sentencepiece_reads(model: Path) -> None:
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(model))
    ours = read_piece_model(model)
    assert len(ours.pieces) == theirs.get_piece_size()
    for row, piece in enumerate(ours.pieces):
        assert (piece.text, piece.score) == (theirs.id_to_piece(row), theirs.get_score(row))
        assert (piece.kind == 2, piece.kind == 3) == (theirs.is_unknown(row), theirs.is_control(row))
    assert (ours.model_type, ours.byte_fallback, ours.rule) == (1, False, "nmt_nfkc")
    assert (ours.add_dummy_prefix, ours.remove_extra_whitespaces) == (True, True)


def test_no_beginning_of_a_file_passes_for_the_whole(model: Path, tmp_path: Path) -> None:
    data = model.read_bytes()
    whole, last = read_piece_model(model), len(data) - 50
    path = tmp_path / "spiece.model"
    for length in [*range(0, 2000, 7), *range(2000, len(data), len(data) // 50)]:
        path.write_bytes(data[:length])
        if length > last:  # only what this reader has no use for is missing
            assert read_piece_model(path) == whole
        else:
            with pytest.raises(CheckpointError, match="expected a whole sentencepiece model; download the file again"):
                read_piece_model(path)


def test_flipped_bytes_are_refused_or_read_but_never_crash(model: Path, tmp_path: Path) -> None:
    data = model.read_bytes()
    path = tmp_path / "spiece.model"
    for place in [*range(0, 1200, 41), *range(1200, len(data), len(data) // 12)]:
        path.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        with contextlib.suppress(CheckpointError):
            open_tokenizer(tmp_path)[0].encode("the quick 안녕")


WITH_UNKNOWN = b"\x0a\x05\x0a\x01?\x18\x02"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "got 0 pieces and then no end"),
        (WITH_UNKNOWN, "got 1 pieces and then no end"),
        (b"\x0a", "got an end in the middle of a number"),
        (b"\x0a\x05ab", "got a field of 5 bytes where 2 are left"),
        (b"\x80" * 11, "got a number of more than 10 bytes"),
        (b"\x02\x00", "got a field without a number at byte 1"),
        (b"\x0b\x00", "got a field of the unknown type 3 at byte 1"),
        (b"\x08\x01", "got a number in place of bytes"),
        (b"\x0a\x05\x0a\x01a\x18\x09", "got the piece 'a' with score 0.0 and type 9"),
        (b"\x0a\x05\x0a\x01a\x1a\x00", "got bytes in place of a number"),
        (b"\x0a\x08\x0a\x01a\x15\x00\x00\xc0\x7f", "got the piece 'a' with score nan"),
        (b"\x0a\x04\x0a\x02\xff\xfe", "got text that is not UTF-8; expected a whole sentencepiece model"),
        (WITH_UNKNOWN + WITH_UNKNOWN + b"\x12\x00\x1a\x00", "got the same piece twice"),
        (b"\x0a\x03\x0a\x01a\x12\x00\x1a\x00", "got no single piece for the unknown"),
        (WITH_UNKNOWN + b"\x12\x02\x18\x04\x1a\x00", "got another kind of model; expected one of unigram or BPE"),
        (WITH_UNKNOWN + b"\x12\x03\xc0\x01\x01\x1a\x00", "got another kind of model; expected one of unigram or BPE"),
    ],
)
def test_a_damaged_or_unknown_model_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "spiece.model").write_bytes(data)
    with pytest.raises(CheckpointError, match=message):
        open_tokenizer(tmp_path)


def test_a_missing_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="got no readable file; expected a sentencepiece model; download the"):
        read_piece_model(tmp_path / "none.model")


SIZE = (1024).to_bytes(4, "little")  # of an array of 256 units


@pytest.mark.parametrize(
    ("table", "whole"),
    [
        (SIZE + bytes(1024) + b"a\x00", True),  # no unit bears the label of a byte: nothing is ever found
        (b"abc", False),
        (b"\x04\x00\x00\x00ab", False),  # an array of four bytes of which there are two
        (b"\x03\x00\x00\x00abc", False),  # not in units of four
        (SIZE + b"\x00\x00\x04\x00" + bytes(1020), False),  # children from unit 256 on, of 256
        (SIZE + bytes(1024) + b"\xff", False),  # a replacement that is not UTF-8
        # Unit 97 is reached by the byte 97, ends a key, and its leaf is unit 97 ^ 1, which holds 2.
        (SIZE + bytes(4 * 96) + b"\x02" + bytes(3) + b"\x61\x05\x00\x00" + bytes(4 * 158) + b"\xc3\xa4", False),
        (SIZE + bytes(4 * 96) + b"\x01" + bytes(3) + b"\x61\x05\x00\x00" + bytes(4 * 158) + b"\xc3\xa4", False),
        (SIZE + bytes(4 * 96) + b"\x00" + bytes(3) + b"\x61\x05\x00\x00" + bytes(4 * 158) + b"\xc3\xa4", True),
    ],
)
def test_a_table_of_normalisations_is_whole_only_if_no_key_leads_out(table: bytes, whole: bool) -> None:
    assert is_whole_charsmap(table) is whole


@pytest.mark.parametrize("place", range(0, 1024, 31))
def test_what_passes_for_whole_can_be_looked_up(model: Path, place: int) -> None:
    charsmap = read_piece_model(model).charsmap
    size = int.from_bytes(charsmap[:4], "little")
    at = 4 + place * 4 * (size // 4 // 1024) + 1
    damaged = charsmap[:at] + bytes([charsmap[at] ^ 0xFF]) + charsmap[at + 1 :]
    if is_whole_charsmap(damaged):
        normalize = normalizers.Precompiled(damaged).normalize_str
        for code in range(1, 0xD800, 7):
            normalize(chr(code))


def test_a_damaged_table_of_normalisations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spiece.model").write_bytes(WITH_UNKNOWN + b"\x12\x00\x1a\x05\x12\x03abc")
    with pytest.raises(CheckpointError, match="got a damaged table of normalisations; expected a whole one"):
        open_tokenizer(tmp_path)
