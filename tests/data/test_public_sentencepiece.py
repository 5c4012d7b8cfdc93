"""Public sentencepiece models against the `sentencepiece` package and `transformers`."""

from __future__ import annotations

import json
import random
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from regard.data.tokenizers.public_sentencepiece import CC25, MBART50
from regard.data.tokenizers.public_tokenizer import open_tokenizer
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.errors import CheckpointError, SettingError

sentencepiece = pytest.importorskip("sentencepiece")

WORDS = "the quick brown fox jumps over a lazy dog läuft über große Straße 안녕하세요 세계 год ﬁne №5 naïve 3,5".split()
WORDS.append("1,000")
TEXTS = [
    "the quick brown fox",
    "  the   lazy\tdog \n läuft  ",
    "Große Straße, über 1,000 năm 9, 5,",
    "안녕하세요 세계",
    unicodedata.normalize("NFD", "안녕하세요 läuft über naïve"),
    "👩‍👩‍👧🏽 dog 😀😀",
    "a　b c​d ﬁne ﷺ ½ ①",
    "ж ЖЖ zzz 漢字",
    "``quoted'' [brackets] (dog)",
    "▁a ▁",
    "",
    " ",
]
SPELT_OUT = ["</s>", "a<s>b", "<unk> <pad>", "the <0x41> dog", "<extra_id_0>", "[MASK]", "en_XX"]


def _train(folder: Path, name: str, **options: Any) -> Any:
    generator = random.Random(0)
    lines = [" ".join(generator.choices(WORDS, k=8)) for _ in range(400)]
    settings = {"vocab_size": 120, "model_type": "unigram", "minloglevel": 2, "hard_vocab_limit": False}
    settings |= {"required_chars": "".join(sorted(set("".join(SPELT_OUT)) - {" "}))} | options
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(folder / "trained"), num_threads=1, **settings
    )
    (folder / "trained.vocab").unlink()
    (folder / "trained.model").rename(folder / name)
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / name))


def _write(folder: Path, name: str, table: dict) -> None:
    (folder / name).write_text(json.dumps(table), encoding="utf-8")


T5 = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
KINDS = {
    "unigram": {},
    "BPE": {"model_type": "bpe", "vocab_size": 150},
    "unigram with bytes": {"byte_fallback": True, "vocab_size": 400},
    "BPE with bytes": {"model_type": "bpe", "byte_fallback": True, "vocab_size": 420},
    "as it is": {"normalization_rule_name": "identity"},
    "lower case": {"normalization_rule_name": "nmt_nfkc_cf"},
    "all spaces": {"remove_extra_whitespaces": False},
    "no space in front": {"add_dummy_prefix": False},
    "defined symbols": {"user_defined_symbols": ["(", "brown"]},
    "spaces inside": {"split_by_whitespace": False, "vocab_size": 200},
}


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_are_those_of_sentencepiece(tmp_path: Path, kind: str) -> None:
    theirs = _train(tmp_path, "spiece.model", **T5, **KINDS[kind])
    tokenizer, _ = open_tokenizer(tmp_path)
    for text in TEXTS:
        assert tokenizer.encode(text) == theirs.encode(text), text
        ids = theirs.encode(text)
        if tokenizer.unk not in ids:
            assert tokenizer.decode(ids) == theirs.decode(ids)
    for text in SPELT_OUT:
        assert not set(tokenizer.encode(text)) & (tokenizer.specials - {tokenizer.unk})
        assert theirs.decode(tokenizer.encode(text)) == theirs.decode(theirs.encode(text))


def test_t5_has_its_sentinels_behind_the_pieces(tmp_path: Path) -> None:
    theirs = _train(tmp_path, "spiece.model", **T5)
    tokenizer, same = open_tokenizer(tmp_path)
    assert tokenizer is same
    pieces = theirs.get_piece_size()
    assert (tokenizer.pad, tokenizer.eos, tokenizer.unk, tokenizer.size) == (0, 1, 2, pieces + 100)
    assert tokenizer.sentinels == tuple(range(pieces + 99, pieces - 1, -1))
    assert tokenizer.wrap([7], [8]).ids == [7, 1, 8, 1]
    _same_as_transformers(tmp_path, "T5Tokenizer", tokenizer, TEXTS[:3] + TEXTS[3:4])
    _write(tmp_path, "tokenizer_config.json", {"extra_ids": 0})
    assert open_tokenizer(tmp_path)[0].size == pieces


def _same_as_transformers(folder: Path, name: str, tokenizer: Tokenizer, texts: list[str]) -> None:
    transformers = pytest.importorskip("transformers")
    other = getattr(transformers, name).from_pretrained(folder, local_files_only=True)
    assert len(other) == tokenizer.size
    for text in texts:
        assert other(text)["input_ids"] == tokenizer.wrap(tokenizer.encode(text)).ids, text


def test_albert_lowers_strips_and_wraps(tmp_path: Path) -> None:
    symbols = {"control_symbols": ["[CLS]", "[SEP]", "[MASK]"], "user_defined_symbols": ["(", ")"]}
    theirs = _train(tmp_path, "spiece.model", pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, **symbols)
    tokenizer, _ = open_tokenizer(tmp_path)
    assert (tokenizer.pad, tokenizer.unk, tokenizer.bos, tokenizer.sep, tokenizer.mask) == (0, 1, 2, 3, 4)
    assert tokenizer.eos == tokenizer.sep
    wrapped = tokenizer.wrap([7, 8], [9])
    assert wrapped.ids == [2, 7, 8, 3, 9, 3]
    assert wrapped.types == [0, 0, 0, 0, 1, 1]
    assert tokenizer.encode("The LAZY Dog läuft (dog)") == theirs.encode("the lazy dog lauft (dog)")
    assert tokenizer.encode("``a''") == theirs.encode('"a"')
    assert tokenizer.mask in tokenizer.encode_marked("the [MASK] dog")
    _write(tmp_path, "tokenizer_config.json", {"do_lower_case": False, "keep_accents": True})
    kept, _ = open_tokenizer(tmp_path)
    assert kept.encode("The läuft") == theirs.encode("The läuft")


def test_pegasus_has_its_pieces_behind_its_own_ids(tmp_path: Path) -> None:
    theirs = _train(tmp_path, "spiece.model", **T5)
    _write(tmp_path, "config.json", {"model_type": "pegasus"})
    tokenizer, _ = open_tokenizer(tmp_path)
    assert (tokenizer.pad, tokenizer.eos, tokenizer.unk, tokenizer.mask) == (0, 1, 105, 3)
    assert tokenizer.size == theirs.get_piece_size() + 103
    assert tokenizer.pieces_of([2, 3, 4, 104]) == ["<mask_1>", "<mask_2>", "<unk_2>", "<unk_102>"]
    for text in TEXTS:
        assert tokenizer.encode(text) == [index + 103 for index in theirs.encode(text)]
    assert tokenizer.wrap([200], [201]).ids == [200, 201, 1]


@pytest.mark.parametrize(("codes", "name"), [(CC25, "MBartTokenizer"), (MBART50, "MBart50Tokenizer")])
def test_mbart_shifts_the_pieces_and_ends_with_languages(tmp_path: Path, codes: list[str], name: str) -> None:
    theirs = _train(tmp_path, "sentencepiece.bpe.model")
    pieces = theirs.get_piece_size()
    _write(tmp_path, "config.json", {"model_type": "mbart", "vocab_size": pieces + 1 + len(codes) + 1})
    tokenizer, _ = open_tokenizer(tmp_path)
    assert (tokenizer.bos, tokenizer.pad, tokenizer.eos, tokenizer.unk) == (0, 1, 2, 3)
    assert tokenizer.mask == tokenizer.size - 1 == pieces + 1 + len(codes)
    assert list(tokenizer.languages) == codes
    assert list(tokenizer.languages.values()) == list(range(pieces + 1, pieces + 1 + len(codes)))
    for text in TEXTS:
        shifted = [index + 1 if index else 3 for index in theirs.encode(text)]
        assert tokenizer.encode(text) == shifted, text
    english = tokenizer.languages["en_XX"]
    assert tokenizer.wrap([9]).ids == ([9, 2, english] if codes == CC25 else [english, 9, 2])
    _write(tmp_path, "tokenizer_config.json", {"src_lang": "de_DE", "tokenizer_class": name})
    german, _ = open_tokenizer(tmp_path)
    assert german.languages["de_DE"] in german.wrap([9]).ids
    _same_as_transformers(tmp_path, name, german, TEXTS[:1])
    french = german.speaking("fr_XX")
    assert french.wrap([9]).ids == [
        index if index < 4 or index == 9 else french.languages["fr_XX"] for index in german.wrap([9]).ids
    ]
    with pytest.raises(SettingError, match=r"language: got 'xx_YY'; expected one of ar_AR, cs_CZ"):
        german.speaking("xx_YY")
    _write(tmp_path, "tokenizer_config.json", {"src_lang": "de_DE", "tgt_lang": "fr_XX", "tokenizer_class": name})
    source, target = open_tokenizer(tmp_path)
    assert (source.wrap([9]), target.wrap([9])) == (german.wrap([9]), french.wrap([9]))


def test_xlm_roberta_has_no_languages(tmp_path: Path) -> None:
    theirs = _train(tmp_path, "sentencepiece.bpe.model")
    _write(tmp_path, "config.json", {"model_type": "xlm-roberta"})
    tokenizer, _ = open_tokenizer(tmp_path)
    assert tokenizer.size == theirs.get_piece_size() + 2
    assert tokenizer.wrap([7], [8]).ids == [0, 7, 2, 2, 8, 2]
    _same_as_transformers(tmp_path, "XLMRobertaTokenizer", tokenizer, TEXTS[:1])


def test_llama_keeps_the_models_ids(tmp_path: Path) -> None:
    options = {"model_type": "bpe", "byte_fallback": True, "vocab_size": 420, "remove_extra_whitespaces": False}
    theirs = _train(tmp_path, "tokenizer.model", normalization_rule_name="identity", **options)
    tokenizer, _ = open_tokenizer(tmp_path)
    assert (tokenizer.unk, tokenizer.bos, tokenizer.eos, tokenizer.pad) == (0, 1, 2, None)
    assert tokenizer.wrap([7], [8]).ids == [1, 7, 1, 8]
    for text in TEXTS:
        assert tokenizer.encode(text) == theirs.encode(text), text
        assert tokenizer.decode(theirs.encode(text)) == text.replace("▁", " ")


# --- Marian


def _marian(folder: Path, **changes: Any) -> tuple[Any, Any, dict[str, int]]:
    source = _train(folder, "source.spm", vocab_size=80)
    target = _train(folder, "target.spm", vocab_size=150, model_type="bpe")
    pieces = [side.id_to_piece(row) for side in (source, target) for row in range(3, side.get_piece_size())]
    tokens = ["</s>", "<unk>", ">>fra<<", *dict.fromkeys(pieces), "<pad>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    _write(folder, "vocab.json", vocabulary | changes)
    return source, target, vocabulary


def test_marian_cuts_each_side_by_its_own_model(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    *sides, vocabulary = _marian(tmp_path)
    both = open_tokenizer(tmp_path)
    for tokenizer, theirs in zip(both, sides, strict=True):
        assert (tokenizer.eos, tokenizer.unk, tokenizer.pad) == (0, 1, len(vocabulary) - 1)
        assert tokenizer.pieces_of(range(tokenizer.size)) == list(vocabulary)
        for text in TEXTS:
            pieces = theirs.encode(text, out_type=str)
            assert tokenizer.encode(text) == [vocabulary.get(piece, 1) for piece in pieces], text
            if tokenizer.unk not in tokenizer.encode(text):
                assert tokenizer.decode(tokenizer.encode(text)) == theirs.decode(pieces)
    assert any(both[0].encode(text) != both[1].encode(text) for text in TEXTS)
    other = transformers.MarianTokenizer.from_pretrained(tmp_path, local_files_only=True)
    for text in [*TEXTS[:4], ">>fra<< the dog"]:
        assert other(text)["input_ids"] == both[0].wrap(both[0].encode(text)).ids
        assert other(text_target=text)["input_ids"] == both[1].wrap(both[1].encode(text)).ids
    assert both[0].languages == {">>fra<<": 2}
    with pytest.raises(SettingError, match="expected one of none: this vocabulary puts none around a text; choose"):
        both[0].speaking(">>fra<<")


def test_a_marian_pair_survives_saving(tmp_path: Path) -> None:
    _marian(tmp_path)
    for number, tokenizer in enumerate(open_tokenizer(tmp_path)):
        tokenizer.save(tmp_path / f"{number}.json")
        loaded = Tokenizer.load(tmp_path / f"{number}.json")
        assert [loaded.encode(text) for text in TEXTS] == [tokenizer.encode(text) for text in TEXTS]
        assert not set(loaded.encode("</s> <pad>\x00ж")) & {loaded.eos, loaded.pad}


def test_a_marian_vocabulary_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    for vocabulary, message in (
        ({"</s>": 0, "<unk>": 1, "a": 2}, "got a vocabulary without <pad>; expected </s>, <unk> and <pad>"),
        ({"</s>": 0, "<pad>": 1}, "got a vocabulary without <unk>; expected every special token once"),
        ({"</s>": 0, "<unk>": 1, "<pad>": 7}, "got 3 tokens whose ids have gaps; expected ids from 0 on"),
        ({"</s>": "0"}, "got no table of ids; expected tokens with a number each"),
    ):
        _marian(tmp_path)
        _write(tmp_path, "vocab.json", vocabulary)
        with pytest.raises(CheckpointError, match=message):
            open_tokenizer(tmp_path)
