"""Public tokenizer folders without sentencepiece: tokenizer.json, vocab.txt, vocab.json with merges.txt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Library
from tokenizers import models, pre_tokenizers, processors, trainers

from regard.data.tokenizers.public_tokenizer import open_tokenizer
from regard.errors import CheckpointError

TEXTS = [
    "The quick brown fox, jumps!",
    " Über große  Straße\t3.5\n",
    "안녕하세요 세계",
    "e\u0301 naïve \u200b x\x00y",
    "漢字 dog 👩‍👧🏽",
    "it's they'll",
    "",
]
SPELT_OUT = ["[MASK] [CLS]", "a[SEP]b", "<s> </s>", "x<|endoftext|>y <mask>"]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [
    *BERT,
    *"abcdefghijklmnopqrstuvwxyzßüïÜEïé,.![]'",
    "the",
    "quick",
    "##s",
    "##ick",
    "qu",
    "über",
    "uber",
    "The",
]
PIECES += ["안", "##녕", "漢", "字", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyzü")]


def _word_pieces(folder: Path, pieces: list[str] = PIECES, **config: object) -> Path:
    unique = list(dict.fromkeys(pieces))
    (folder / "vocab.txt").write_text("\n".join(unique) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def _byte_level(folder: Path, specials: list[str], last: list[str], model_type: str = "") -> Path:
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    library.train_from_iterator(TEXTS * 5, trainer)
    model = json.loads(library.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
    vocabulary = {token: index for index, token in enumerate([*specials, *pieces, *last])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    merges = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in model["merges"])])
    (folder / "merges.txt").write_text(merges + "\n", encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    return folder


def _agree(folder: Path, name: str) -> None:
    """The ids of our tokenizer are those of transformers, and a text never becomes a special token."""
    transformers = pytest.importorskip("transformers")
    tokenizer, same = open_tokenizer(folder)
    assert tokenizer is same
    other = getattr(transformers, name).from_pretrained(folder, local_files_only=True)
    assert len(other) == tokenizer.size
    for text in TEXTS:
        assert other(text)["input_ids"] == tokenizer.wrap(tokenizer.encode(text)).ids
        both = other(text, "the quick", return_token_type_ids=True)
        wrapped = tokenizer.wrap(tokenizer.encode(text), tokenizer.encode("the quick"))
        assert (both["input_ids"], both["token_type_ids"]) == (wrapped.ids, wrapped.types)
    for text in SPELT_OUT:
        assert not set(tokenizer.encode(text)) & (tokenizer.specials - {tokenizer.unk})
    if tokenizer.mask is not None:
        masked = f"the {other.mask_token} fox"
        assert other(masked, add_special_tokens=False)["input_ids"] == tokenizer.encode_marked(masked)
    names = ("eos", "unk", "pad", "bos", "sep", "mask")
    theirs = {name: getattr(other, f"{name}_token_id") for name in names}
    ours = {name: getattr(tokenizer, name) for name in names}
    assert all(ours[name] == theirs[name] for name in names if theirs[name] is not None and ours[name] is not None)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"do_lower_case": False},
        {"do_lower_case": True, "strip_accents": False},
        {"do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False},
    ],
)
def test_word_pieces_are_those_of_bert(tmp_path: Path, config: dict) -> None:
    _agree(_word_pieces(tmp_path, **config), "BertTokenizer")
    tokenizer, _ = open_tokenizer(tmp_path)
    assert (tokenizer.pad, tokenizer.unk, tokenizer.bos, tokenizer.sep, tokenizer.mask) == (0, 1, 2, 3, 4)
    assert tokenizer.wrap([7], [8]) == ([2, 7, 3, 8, 3], [0, 0, 0, 1, 1])
    assert tokenizer.word_starts[tokenizer.encode("quicks the")].tolist() == [True, False, True]
    assert tokenizer.decode(tokenizer.wrap(tokenizer.encode("the quick")).ids) == "the quick"


@pytest.mark.parametrize(("model_type", "name"), [("roberta", "RobertaTokenizer"), ("bart", "BartTokenizer")])
def test_byte_level_pieces_are_those_of_roberta_and_bart(tmp_path: Path, model_type: str, name: str) -> None:
    mask = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "special": True}  # as in the released files
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"mask_token": mask}))
    _agree(_byte_level(tmp_path, ["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"], model_type), name)
    tokenizer, _ = open_tokenizer(tmp_path)
    assert tokenizer.wrap([7], [8]) == ([0, 7, 2, 2, 8, 2], [0] * 6)
    assert (tokenizer.bos, tokenizer.eos, tokenizer.sep) == (0, 2, 2)
    assert tokenizer.mask == tokenizer.size - 1


def test_byte_level_pieces_are_those_of_gpt2(tmp_path: Path) -> None:
    _agree(_byte_level(tmp_path, [], ["<|endoftext|>"], "gpt2"), "GPT2Tokenizer")
    tokenizer, _ = open_tokenizer(tmp_path)
    assert tokenizer.bos == tokenizer.eos == tokenizer.size - 1
    assert tokenizer.sep is None
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text)) == text
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"add_bos_token": True}))
    assert open_tokenizer(tmp_path)[0].wrap([7]).ids == [tokenizer.bos, 7]


@pytest.mark.parametrize("model", ["unigram", "word"])
def test_a_whole_file_is_opened_as_it_is(tmp_path: Path, model: str) -> None:
    """A unigram or word model finds special tokens in texts by itself; here it must not."""
    pieces = ["<pad>", "</s>", "<unk>", "<s>", "▁", "the", "▁the", "a", "<", "/", "s", ">", "<0x41>"]
    if model == "unigram":
        library = Library(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=2))
        library.pre_tokenizer = pre_tokenizers.Metaspace()
    else:
        library = Library(models.WordLevel({piece: row for row, piece in enumerate(pieces)}, unk_token="<unk>"))
        library.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    library.post_processor = processors.TemplateProcessing("$A </s>", "$A $B:1 </s>:1", [("</s>", 1)])
    library.add_special_tokens(["<pad>", "</s>", "<unk>", "<s>"])
    library.save(str(tmp_path / "tokenizer.json"))
    tokenizer, same = open_tokenizer(tmp_path)
    assert tokenizer is same
    assert (tokenizer.pad, tokenizer.eos, tokenizer.unk, tokenizer.bos) == (0, 1, 2, 3)
    plain = library.encode("the a the", add_special_tokens=False).ids
    assert tokenizer.encode("the a the") == plain
    assert tokenizer.wrap(plain, [7]) == ([*plain, 7, 1], [0] * len(plain) + [1, 1])
    for text in ("</s>", "the </s> a", "<s></s>", "the<pad>", "<0x41>"):
        assert not set(tokenizer.encode(text)) & {0, 1, 3, 12}
    tokenizer.save(tmp_path / "tokenizer.json")
    again, _ = open_tokenizer(tmp_path)
    again.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()


def test_tokens_that_someone_added_come_behind(tmp_path: Path) -> None:
    size = open_tokenizer(_word_pieces(tmp_path))[0].size
    (tmp_path / "added_tokens.json").write_text(json.dumps({"zebra": size + 1, "kangaroo": size}))
    tokenizer, _ = open_tokenizer(tmp_path)
    assert tokenizer.encode("the zebra") == [*tokenizer.encode("the"), size + 1]
    for content, message in (
        (json.dumps({"zebra": size + 5}), rf"got zebra as id {size + 5}; expected id {size}; restore the file"),
        ("[", "got damaged JSON; expected a whole added_tokens.json"),
        ("[]", "got damaged JSON; expected a whole added_tokens.json"),
    ):
        (tmp_path / "added_tokens.json").write_text(content)
        with pytest.raises(CheckpointError, match=message):
            open_tokenizer(tmp_path)


# --- bad input


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")  # alone, it is no tokenizer
    with pytest.raises(CheckpointError, match=r"got no tokenizer file; expected one of tokenizer.json, vocab.txt"):
        open_tokenizer(tmp_path)


def test_word_pieces_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for content, message in (
        ("a\nb\n", r"got no \[PAD\]; expected the special tokens \[PAD\] \[UNK\]"),
        ("\n".join([*BERT, "a", "a"]), "got a token twice; expected every token once"),
    ):
        (tmp_path / "vocab.txt").write_text(content)
        with pytest.raises(CheckpointError, match=message):
            open_tokenizer(tmp_path)
    (tmp_path / "vocab.txt").write_bytes(b"\xff")
    with pytest.raises(CheckpointError, match=r"got bytes that are not UTF-8; expected a vocab.txt in UTF-8"):
        open_tokenizer(tmp_path)
    (tmp_path / "vocab.txt").unlink()
    (tmp_path / "vocab.txt").mkdir()
    with pytest.raises(CheckpointError, match=r"got no readable file; expected a vocab.txt in UTF-8"):
        open_tokenizer(tmp_path)


def test_byte_level_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    _byte_level(tmp_path, [], ["<|endoftext|>"])
    merges = (tmp_path / "merges.txt").read_text(encoding="utf-8")
    for line in ("q zzz", "alone", "Ġ Ġ Ġ"):
        (tmp_path / "merges.txt").write_text(f"{merges}{line}\n", encoding="utf-8")
        with pytest.raises(CheckpointError, match=r"merges.txt:\d+: got .*; expected two of its tokens that make a"):
            open_tokenizer(tmp_path)
    (tmp_path / "merges.txt").write_text(merges, encoding="utf-8")
    whole = (tmp_path / "vocab.json").read_text(encoding="utf-8")
    lacking = {token: index for token, index in json.loads(whole).items() if token != "<|endoftext|>"}
    for content, message in (
        (whole[:100], r"got damaged JSON; expected a whole vocab.json"),
        ("[]", "got no table of ids; expected tokens with a number each"),
        ('{"a": 0, "b": 2}', "got 2 tokens whose ids have gaps; expected ids from 0 on"),
        (json.dumps(lacking), r"got no <\|endoftext\|>; expected the special tokens"),
    ):
        (tmp_path / "vocab.json").write_text(content, encoding="utf-8")
        (tmp_path / "merges.txt").write_text(merges if content.startswith('{"!') else "", encoding="utf-8")
        with pytest.raises(CheckpointError, match=message):
            open_tokenizer(tmp_path)


def test_a_damaged_config_is_refused(tmp_path: Path) -> None:
    _word_pieces(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config.json: got damaged JSON; expected a whole config.json"):
        open_tokenizer(tmp_path)
