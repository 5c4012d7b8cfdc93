from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from regard.config import build
from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, _sample, train_tokenizer
from regard.errors import CheckpointError, DataError, SettingError

KINDS = ("bpe", "unigram", "byte", "character", "word")
OPEN = ("bpe", "unigram", "byte")  # kinds that know every text
SPECIALS = ["</s>", "<pad>", "<unk>", "<0x41>", "<0x00>", "<s>", "<", "</", "s>", ">", "0x41"]
TRICKY = [*SPECIALS, "안녕하세요", "안녕", "e\u0301\u0323\u0301", "שלום\u202e", "👩\u200d👩\u200d👧🏽", "\x00", "\x7f"]
LINES = [
    "A dog runs.",
    "Two dogs are running in 2016.",
    "Ein Hund läuft.",
    "</s> <pad> <unk> <0x41>",
    "a</s>b",
    "안녕 세계",
] * 20
WHITE = re.compile(r"[\t\n\x0b\x0c\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000▁]+")

TOKENIZERS = {
    (kind, spaces): train_tokenizer(LINES, TokenizerSettings(kind=kind, spaces=spaces))
    for kind in KINDS
    for spaces in ("single", "keep")
}
texts = st.lists(
    st.one_of(st.sampled_from([*TRICKY, " ", "  ", "▁", "\t"]), st.text(st.characters(exclude_categories=["Cs", "Cn"])))
).map("".join)
quick = settings(max_examples=50, deadline=None)


# --- round trip


@pytest.mark.parametrize("kind", OPEN)
@quick
@example("▁a ▁")
@given(text=texts)
def test_a_text_comes_back_in_nfc_with_single_spaces(kind: str, text: str) -> None:
    tokenizer = TOKENIZERS[kind, "single"]
    white = WHITE if kind != "byte" else re.compile(WHITE.pattern.replace("▁", ""))
    assert tokenizer.decode(tokenizer.encode(text)) == white.sub(" ", unicodedata.normalize("NFC", text)).strip(" ")


@pytest.mark.parametrize("kind", OPEN)
@quick
@example(" a  \n b ")
@example("  ")
@given(text=texts)
def test_a_text_comes_back_with_every_space_where_spaces_are_kept(kind: str, text: str) -> None:
    tokenizer = TOKENIZERS[kind, "keep"]
    expected = unicodedata.normalize("NFC", text)
    assert tokenizer.decode(tokenizer.encode(text)) == (expected if kind == "byte" else expected.replace("▁", " "))


@pytest.mark.parametrize("kind", ["character", "word"])
def test_what_is_known_comes_back_in_the_closed_kinds(kind: str) -> None:
    tokenizer = TOKENIZERS[kind, "single"]
    for line in ("Two dogs runs.", "Ein Hund läuft", "Two dogs are running in 2016. </s>", "<pad>"):
        assert tokenizer.decode(tokenizer.encode(line)) == line


def test_what_is_unknown_shows_as_unknown() -> None:
    word = TOKENIZERS["word", "single"]
    assert word.encode("A zebra runs.")[1] == word.unk == 1
    assert word.decode(word.encode("A zebra runs.")) == "A <unk> runs."
    character = TOKENIZERS["character", "single"]
    assert character.decode(character.encode("A dög.")) == "A d<unk>g."


# --- a user's text and the specials


@pytest.mark.parametrize("spaces", ["single", "keep"])
@pytest.mark.parametrize("kind", KINDS)
@quick
@given(text=texts)
def test_no_text_becomes_a_special(kind: str, spaces: str, text: str) -> None:
    tokenizer = TOKENIZERS[kind, spaces]
    ids = tokenizer.encode(text)
    assert tokenizer.eos not in ids
    assert tokenizer.pad not in ids
    assert kind not in OPEN or tokenizer.unk not in ids


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("special", SPECIALS)
@pytest.mark.parametrize("around", ["{}", " {} ", "a {} dog", "dog{}dog", "{0}{0}", "<{}>"])
def test_a_special_in_the_text_is_text(kind: str, special: str, around: str) -> None:
    tokenizer = TOKENIZERS[kind, "single"]
    text = around.format(special)
    ids = tokenizer.encode(text)
    assert not {tokenizer.eos, tokenizer.pad} & set(ids)
    pieces = tokenizer.pieces(text)
    assert tokenizer.decode(ids) == text.strip() or "<unk>" in pieces
    # Pieces such as <0x3C> may stand for what the vocabulary lacks, but all of these characters were in the lines.
    assert kind not in OPEN or not any(len(piece) > 1 and "<" in piece for piece in pieces)


def test_characters_that_were_never_seen_become_bytes() -> None:
    for kind in ("bpe", "unigram"):
        tokenizer = TOKENIZERS[kind, "single"]
        assert tokenizer.pieces("ж")[-2:] == ["<0xD0>", "<0xB6>"]  # U+0436 in UTF-8
        assert tokenizer.pieces_of(range(2, 258)) == [f"<0x{value:02X}>" for value in range(256)]


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_surrogate_pair_is_refused(kind: str) -> None:
    with pytest.raises(DataError, match=r"text 2: got the lone surrogate U\+D800 at character 3; expected Unicode"):
        TOKENIZERS[kind, "single"].encode_batch(["fine", "a \ud800"])
    with pytest.raises(DataError, match="repair it where it comes from"):
        train_tokenizer(["a \udfff"], TokenizerSettings(kind=kind))


# --- the layout


@pytest.mark.parametrize("kind", KINDS)
def test_the_specials_stand_where_the_contract_says(kind: str) -> None:
    tokenizer = TOKENIZERS[kind, "single"]
    assert tokenizer.pieces_of([0, 1, tokenizer.size - 1]) == ["</s>", "<unk>", "<pad>"]
    assert (tokenizer.eos, tokenizer.unk, tokenizer.pad) == (0, 1, tokenizer.size - 1)
    every = tokenizer.pieces_of(range(tokenizer.size))
    assert kind == "byte" or len(set(every)) == tokenizer.size


@pytest.mark.parametrize("kind", KINDS)
def test_decoding_stops_at_the_end_and_skips_padding(kind: str) -> None:
    tokenizer = TOKENIZERS[kind, "single"]
    a, dog = tokenizer.encode("A dog"), tokenizer.encode(" runs.")
    ids = [tokenizer.pad, *a, tokenizer.pad, *dog, tokenizer.eos, *a]
    assert tokenizer.decode(ids).replace(" ", "") == "Adogruns."
    assert tokenizer.decode([tokenizer.eos]) == tokenizer.decode([]) == ""


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_its_texts_one_by_one(kind: str) -> None:
    tokenizer = TOKENIZERS[kind, "single"]
    assert tokenizer.encode_batch(LINES) == [tokenizer.encode(line) for line in LINES]
    assert tokenizer.encode_batch([]) == []
    assert tokenizer.encode("") == []


def test_pieces_are_readable() -> None:
    for kind in ("bpe", "byte", "word"):
        assert TOKENIZERS[kind, "single"].pieces("Ein Hund läuft.") == ["▁Ein", "▁Hund", "▁läuft", "."]
    assert TOKENIZERS["character", "single"].pieces("A dog") == ["A", "▁", "d", "o", "g"]
    assert TOKENIZERS["byte", "single"].pieces("ж") == ["▁", "�", "�"]


@pytest.mark.parametrize("kind", KINDS)
def test_spans_say_where_in_the_text_each_piece_stands(kind: str) -> None:
    tokenizer = TOKENIZERS[kind, "single"]
    for text in ("Ein Hund läuft.", "  Two   dogs run"):
        spans, pieces = tokenizer.spans(text), tokenizer.pieces(text)
        assert len(spans) == len(pieces)
        for (start, end), piece in zip(spans, pieces, strict=True):
            assert piece in ("▁", "<unk>") or text[start:end].strip() == piece.strip("▁")


# --- normalisation


@pytest.mark.parametrize("kind", KINDS)
def test_decomposed_text_has_the_ids_of_composed_text(kind: str) -> None:
    tokenizer = TOKENIZERS[kind, "single"]
    for text in ("안녕하세요", "läuft", "ệ"):
        assert tokenizer.encode(unicodedata.normalize("NFD", text)) == tokenizer.encode(text)


@pytest.mark.parametrize("kind", KINDS)
def test_lower_case_makes_cases_one(kind: str) -> None:
    tokenizer = train_tokenizer(LINES, TokenizerSettings(kind=kind, lowercase=True))
    assert tokenizer.encode("EIN HUND LÄUFT.") == tokenizer.encode("ein hund läuft.")
    assert tokenizer.decode(tokenizer.encode("Ein HUND")) == "ein hund"
    other = TOKENIZERS[kind, "single"]
    assert other.encode("Ein") != other.encode("ein")


# --- training


def test_bpe_merges_the_most_frequent_pairs() -> None:
    """Sennrich et al. 2016, section 3.2: low ×5, lower ×2, newest ×6, widest ×3; their first merges are e s, es t.

    Ours put the space first and know no end of word: after "est" (9) come l o, lo w and ▁ low (7 each).
    """
    words = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
    alphabet = set("▁lowernstid")
    merged = []
    for merges in (2, 5):
        tokenizer = train_tokenizer(words, TokenizerSettings(size=259 + len(alphabet) + merges))
        pieces = tokenizer.pieces_of(range(258, tokenizer.pad))
        merged.append({piece for piece in pieces if len(piece) > 1})
    assert len(merged[0]) == 2
    assert "est" in merged[0]
    assert merged[0] < merged[1]
    assert len(merged[1]) == 5
    assert "▁low" in merged[1]


def test_a_word_vocabulary_keeps_the_most_frequent_words() -> None:
    lines = ["a b"] * 9 + ["c d"] * 5 + ["e"] * 3 + ["once"]
    assert train_tokenizer(lines, TokenizerSettings(kind="word", size=6)).pieces_of(range(2, 5)) == ["▁a", "▁b", "▁c"]
    assert train_tokenizer(lines, TokenizerSettings(kind="word")).size == 3 + 5  # what occurs once teaches <unk>


def _language(words: int, lines: int, seed: int = 0) -> list[str]:
    """Lines of made-up words, the first of them more frequent than the last."""
    generator = random.Random(seed)
    syllables = [a + b for a in "bdfgklmnprst" for b in "aeiouäöü"]
    known = ["".join(generator.choices(syllables, k=generator.randint(1, 4))) for _ in range(words)]
    weights = [1 / (rank + 2) for rank in range(words)]
    return [" ".join(generator.choices(known, weights, k=10)) + "." for _ in range(lines)]


@pytest.mark.parametrize("kind", OPEN)
def test_the_data_decides_the_size_where_none_is_given(kind: str) -> None:
    settings = TokenizerSettings(kind=kind)
    toy = train_tokenizer(_language(words=150, lines=1500), settings)
    larger = train_tokenizer(_language(words=1500, lines=3000), settings)
    assert 300 < toy.size < 1000
    assert toy.size < larger.size < 6000


def test_where_the_data_decides_each_merge_was_worth_it() -> None:
    """A merged piece occurs at least ten times; where a size is asked for, twice."""
    lines = _language(words=600, lines=1000)
    text = "".join(f"▁{line.replace(' ', '▁')}" for line in lines)
    fewest = []
    for size in (0, 30_000):
        tokenizer = train_tokenizer(lines, TokenizerSettings(size=size))
        pieces = tokenizer.pieces_of(range(258, tokenizer.pad))
        fewest.append(min(text.count(piece) for piece in pieces if len(piece) > 1))
    assert fewest[0] >= 10 > fewest[1] >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_is_a_limit_that_little_text_does_not_reach(kind: str) -> None:
    lines = _language(words=300, lines=500)
    least = 30 if kind in ("character", "word") else 330
    assert least - 30 < train_tokenizer(lines, TokenizerSettings(kind=kind, size=least)).size <= least
    assert train_tokenizer(lines, TokenizerSettings(kind=kind, size=30_000)).size < 3000


def test_unigram_ends_where_there_are_more_characters_than_pieces() -> None:
    lines = ["".join(chr(0x4E00 + 31 * row * column % 5000) for column in range(40)) for row in range(200)]
    tokenizer = train_tokenizer(lines, TokenizerSettings(kind="unigram", size=300))
    assert tokenizer.size <= 300
    assert tokenizer.decode(tokenizer.encode(lines[7])) == lines[7]


def test_the_same_text_gives_the_same_file_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("\n".join(_language(words=800, lines=2000)), encoding="utf-8")
    code = """
import sys
from pathlib import Path
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
folder, run, *kinds = sys.argv[1:]
lines = (Path(folder) / "text").read_text(encoding="utf-8").split("\\n")
for kind in kinds:
    size = 1000 if kind == "unigram" else 0
    train_tokenizer(lines, TokenizerSettings(kind=kind, size=size)).save(Path(folder) / f"{kind}{run}.json")
"""
    for run in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": run, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        subprocess.run([sys.executable, "-c", code, tmp_path, run, *KINDS, "wordpiece"], check=True, env=environment)
    for kind in (*KINDS, "wordpiece"):
        files = [(tmp_path / f"{kind}{run}.json").read_bytes() for run in ("1", "2", "3")]
        assert files[0] == files[1] == files[2], kind


def test_a_sample_is_bounded_and_of_all_parts_alike() -> None:
    both = [f"{side}{row}" for row in range(50_000) for side in "ab"]  # source and target in turns
    for texts in (both[:1500], both):
        kept = _sample(texts, 1000)
        assert 400 < len(kept) <= 1000
        assert abs(sum(text.startswith("a") for text in kept) / len(kept) - 0.5) < 0.1
    assert abs(sum(int(text[1:]) for text in kept) / len(kept) / 50_000 - 0.5) < 0.1
    assert _sample(iter("abc"), 3) == ["a", "b", "c"]
    assert list(map(len, _sample(["x" * 50_000], 1))) == [10_000]


def test_text_to_learn_nothing_from_is_refused() -> None:
    for lines in ([], ["", " "]):
        with pytest.raises(DataError, match="got no text; expected some lines to learn a vocabulary from; check the"):
            train_tokenizer(lines, TokenizerSettings())
    with pytest.raises(DataError, match="got text without any word that occurs twice; expected enough text"):
        train_tokenizer(["each once"], TokenizerSettings(kind="word"))


@pytest.mark.parametrize(("kind", "least"), [("bpe", 260), ("unigram", 260), ("byte", 260), ("character", 4)])
def test_a_size_below_the_fixed_pieces_is_refused(kind: str, least: int) -> None:
    with pytest.raises(
        SettingError, match=rf"size: got {least - 1}; expected 0 or at least {least} \(.*; use 0 to let the data"
    ):
        build(TokenizerSettings, {"kind": kind, "size": least - 1})
    assert build(TokenizerSettings, {"kind": kind, "size": least}).size == least


# --- files


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_tokenizer_comes_back(tmp_path: Path, kind: str) -> None:
    tokenizer = TOKENIZERS[kind, "single"]
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.size == tokenizer.size
    for text in [*LINES[:5], *TRICKY]:
        assert loaded.encode(text) == tokenizer.encode(text)
        assert loaded.pieces(text) == tokenizer.pieces(text)
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.json", "tokenizer.json"]


def _damaged(tmp_path: Path, change) -> Path:
    TOKENIZERS["bpe", "single"].save(tmp_path / "tokenizer.json")
    described = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    change(described)
    (tmp_path / "tokenizer.json").write_text(json.dumps(described), encoding="utf-8")
    return tmp_path / "tokenizer.json"


def _pad_first(described: dict) -> None:
    vocabulary, added = described["model"]["vocab"], described["added_tokens"]
    vocabulary["<pad>"], vocabulary["<0x00>"] = vocabulary["<0x00>"], vocabulary["<pad>"]
    next(token for token in added if token["content"] == "<pad>")["id"] = 2


def _gap(described: dict) -> None:
    last = described["model"]["vocab"]["<pad>"]
    rare = next(name for name, index in described["model"]["vocab"].items() if index == last - 1)
    described["model"]["merges"] = [pair for pair in described["model"]["merges"] if "".join(pair) != rare]
    described["model"]["vocab"][rare] = last + 7


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_pad_first, r"tokenizer: got <pad> as id 2; expected id \d+ of \d+; use a tokenizer that regard trained"),
        (_gap, "tokenizer: got ids with gaps; expected 0 to"),
        (lambda described: described.pop("model"), "got damaged JSON; expected a whole tokenizer.json; restore the"),
    ],
)
def test_a_file_of_another_layout_is_refused(tmp_path: Path, change, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        Tokenizer.load(_damaged(tmp_path, change))


def test_a_damaged_or_missing_file_is_refused(tmp_path: Path) -> None:
    whole = _damaged(tmp_path, lambda described: None).read_bytes()
    for content in (b"", b"{}", b"null", whole[: len(whole) // 2]):
        (tmp_path / "tokenizer.json").write_bytes(content)
        with pytest.raises(CheckpointError, match="got damaged JSON"):
            Tokenizer.load(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer.json").write_bytes(b"\xff\xff")
    with pytest.raises(CheckpointError, match=r"got bytes that are not UTF-8; expected a tokenizer.json"):
        Tokenizer.load(tmp_path / "tokenizer.json")
    with pytest.raises(CheckpointError, match=r"got no readable file; expected a tokenizer.json; check the run's"):
        Tokenizer.load(tmp_path / "none.json")


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_reads_the_same_ids_and_text(tmp_path: Path, kind: str) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = TOKENIZERS[kind, "single"]
    tokenizer.save(tmp_path / "tokenizer.json")
    config = json.dumps(tokenizer.transformers_config())
    (tmp_path / "tokenizer_config.json").write_text(config, encoding="utf-8")
    other = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert (other.eos_token_id, other.unk_token_id, other.pad_token_id) == (0, 1, tokenizer.pad)
    assert len(other) == tokenizer.size
    for text in [*LINES[:5], *TRICKY, " a  b ", "It 's n't , is it ?"]:
        ids = tokenizer.encode(text)
        assert other(text)["input_ids"] == [*ids, 0]
        if tokenizer.unk not in ids:
            assert other.decode([tokenizer.pad, *ids, 0], skip_special_tokens=True) == tokenizer.decode(ids)
