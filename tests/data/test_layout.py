from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from regard.data.tokenizers.layout import LAYOUTS
from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
from regard.data.tokenizers.tokenizer_kinds import KINDS
from regard.errors import CheckpointError, SettingError

LINES = [
    "A dog runs [fast].",
    "Two dogs are running in 2016.",
    "Ein Hund läuft.",
    "[CLS] </s> <pad> <unk> <mask> <|endoftext|> <extra_id_0>",
    "안녕 세계",
] * 20
SPELT = ("bpe", "unigram", "byte")
FIRST = {  # ids as the papers' public vocabularies and FAMILIES have them
    "regard": {"</s>": 0, "<unk>": 1, "<pad>": -1},
    "bert": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4},
    "roberta": {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": -1},
    "albert": {"<pad>": 0, "<unk>": 1, "[CLS]": 2, "[SEP]": 3, "[MASK]": 4},
    "gpt2": {"<|endoftext|>": -1},
    "llama": {"<unk>": 0, "<s>": 1, "</s>": 2, "<pad>": 3},
    "t5": {"<pad>": 0, "</s>": 1, "<unk>": 2, "<extra_id_0>": -1, "<extra_id_99>": -100},
    "pegasus": {"<pad>": 0, "</s>": 1, "<mask>": 2, "<unk>": 3},
}
SIZE = 400
TRAINED = {
    (name, kind): train_tokenizer(LINES, TokenizerSettings(kind=kind, size=SIZE), LAYOUTS[name])
    for name in LAYOUTS
    for kind in KINDS
}
every_one = pytest.mark.parametrize(("name", "kind"), TRAINED)
every_layout = pytest.mark.parametrize("name", LAYOUTS)


@every_one
def test_the_specials_stand_where_the_layout_says(name: str, kind: str) -> None:
    tokenizer = TRAINED[name, kind]
    for token, index in FIRST[name].items():
        assert tokenizer.pieces_of([index % tokenizer.size]) == [token]
        assert index % tokenizer.size in tokenizer.specials
    extra = name == "gpt2" and kind not in ("bpe", "byte")  # the other models need an <unk>
    assert len(tokenizer.specials) == len(LAYOUTS[name].specials) + extra
    assert tokenizer.size <= SIZE


@every_layout
def test_every_role_is_the_id_of_its_token(name: str) -> None:
    tokenizer, layout = TRAINED[name, "bpe"], LAYOUTS[name]
    for role in ("eos", "unk", "pad", "bos", "sep", "mask"):
        index = getattr(tokenizer, role)
        assert (None if index is None else tokenizer.pieces_of([index])[0]) == layout.roles.get(role)


def test_sentinels_count_from_the_end() -> None:
    tokenizer = TRAINED["t5", "byte"]
    assert tokenizer.sentinels == tuple(tokenizer.size - 1 - number for number in range(100))
    assert TRAINED["bert", "byte"].sentinels == ()


@every_one
@pytest.mark.parametrize("around", ["{}", " {} ", "a {} dog", "dog{}dog", "{0}{0}", "<{}>", "[{}]"])
def test_no_text_becomes_a_special_of_any_layout(name: str, kind: str, around: str) -> None:
    tokenizer = TRAINED[name, kind]
    for special in LAYOUTS[name].specials[:8]:
        ids = set(tokenizer.encode(around.format(special)))
        assert not ids & (tokenizer.specials - {tokenizer.unk})
        assert kind not in SPELT or tokenizer.unk not in ids


@every_layout
@pytest.mark.parametrize("kind", SPELT)
def test_no_piece_holds_the_beginning_of_a_special_and_more(name: str, kind: str) -> None:
    tokenizer, layout = TRAINED[name, kind], LAYOUTS[name]
    learnt = set(range(tokenizer.size)) - tokenizer.specials
    for piece in tokenizer.pieces_of(sorted(learnt)):
        bytes_of_it = piece.startswith("<0x") and len(piece) == 6
        assert len(piece) == 1 or bytes_of_it or not set(piece) & {special[0] for special in layout.specials}


@every_layout
def test_a_text_comes_back_in_every_layout(name: str) -> None:
    for kind in SPELT:
        tokenizer = TRAINED[name, kind]
        for line in [*LINES[:5], "ж [MASK] <s>"]:
            assert tokenizer.decode(tokenizer.wrap(tokenizer.encode(line)).ids) == line


TEMPLATES = {  # (single, pair, types of the pair's last token), 1 and 2 standing for the two texts
    "regard": ("1 </s>", "1 </s> 2 </s>", 0),
    "bert": ("[CLS] 1 [SEP]", "[CLS] 1 [SEP] 2 [SEP]", 1),
    "roberta": ("<s> 1 </s>", "<s> 1 </s> </s> 2 </s>", 0),
    "albert": ("[CLS] 1 [SEP]", "[CLS] 1 [SEP] 2 [SEP]", 1),
    "gpt2": ("1", "1 2", 1),
    "llama": ("<s> 1", "<s> 1 <s> 2", 1),
    "t5": ("1 </s>", "1 </s> 2 </s>", 0),
    "pegasus": ("1 </s>", "1 2 </s>", 0),
}


@every_layout
def test_a_text_is_wrapped_as_its_lineage_does(name: str) -> None:
    tokenizer = TRAINED[name, "word"]
    single, pair, last = TEMPLATES[name]
    one, two = [tokenizer.size - 103, tokenizer.size - 102], [tokenizer.size - 101]
    special = {token: tokenizer.pieces_of(range(tokenizer.size)).index(token) for token in FIRST[name]}

    def filled(line: str) -> list[int]:
        return [index for word in line.split() for index in {"1": one, "2": two}.get(word) or [special[word]]]

    assert tokenizer.wrap(one).ids == filled(single)
    assert set(tokenizer.wrap(one).types) == {0}
    wrapped = tokenizer.wrap(one, two)
    assert wrapped.ids == filled(pair)
    assert (wrapped.types[0], wrapped.types[-1]) == (0, last)
    assert len(wrapped.types) == len(wrapped.ids)
    if name == "bert":
        assert wrapped.types == [0, 0, 0, 0, 1, 1]
    assert tokenizer.wrap([]).ids == filled(single.replace("1", ""))


@every_one
def test_transformers_gives_the_same_ids_with_its_specials(tmp_path: Path, name: str, kind: str) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = TRAINED[name, kind]
    tokenizer.save(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer.transformers_config()), encoding="utf-8")
    other = transformers.AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert len(other) == tokenizer.size
    assert (other.eos_token_id, other.pad_token_id) == (tokenizer.eos, tokenizer.pad)
    assert (other.bos_token_id, other.sep_token_id, other.mask_token_id) == (
        tokenizer.bos,
        tokenizer.sep,
        tokenizer.mask,
    )
    for text in [*LINES[:5], " a  b ", "ệ 👩🏽 [MASK]<s>"]:
        assert other(text)["input_ids"] == tokenizer.wrap(tokenizer.encode(text)).ids
        both = other(text, "A dog", return_token_type_ids=True)
        wrapped = tokenizer.wrap(tokenizer.encode(text), tokenizer.encode("A dog"))
        assert both["input_ids"] == wrapped.ids
        assert both["token_type_ids"] == wrapped.types


@every_one
def test_a_saved_tokenizer_of_every_layout_comes_back(tmp_path: Path, name: str, kind: str) -> None:
    tokenizer = TRAINED[name, kind]
    tokenizer.save(tmp_path / "tokenizer.json")
    without = Tokenizer.load(tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokenizer.transformers_config()), encoding="utf-8")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    for other in (loaded, without):
        assert other.specials == tokenizer.specials
        assert other.wrap([1], [2]) == tokenizer.wrap([1], [2])
        assert other.encode_batch(LINES[:5]) == tokenizer.encode_batch(LINES[:5])
    roles = ("eos", "unk", "pad", "bos", "sep", "mask")
    assert [getattr(loaded, role) for role in roles] == [getattr(tokenizer, role) for role in roles]
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()


def test_a_role_may_be_a_table_and_is_whatever_the_config_names(tmp_path: Path) -> None:
    TRAINED["bert", "byte"].save(tmp_path / "tokenizer.json")
    config = tmp_path / "tokenizer_config.json"
    config.write_text(json.dumps({"eos_token": {"content": "[MASK]", "lstrip": True}, "pad_token": "<lacking>"}))
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert (loaded.eos, loaded.pad, loaded.unk, loaded.sep) == (4, None, 1, 3)
    for content, message in (
        ("{", "got damaged JSON; expected a whole tokenizer_config.json"),
        ("[]", "got list; expected a table of settings"),
        ('{"eos_token": 3}', "got eos_token = 3; expected the token's text"),
    ):
        config.write_text(content)
        with pytest.raises(CheckpointError, match=message):
            Tokenizer.load(tmp_path / "tokenizer.json")


def test_a_size_without_room_for_the_layouts_specials_is_refused() -> None:
    with pytest.raises(SettingError, match=r"size: got 359; expected 0 or at least 360 \(103 specials and 256 bytes"):
        train_tokenizer(LINES, TokenizerSettings(size=359), LAYOUTS["t5"])


# --- words


def test_a_word_starts_where_its_piece_shows_a_space() -> None:
    for kind in ("bpe", "unigram", "byte"):
        tokenizer = TRAINED["bert", kind]
        ids = tokenizer.encode("dogs läuft, zebra")
        pieces, starts = tokenizer.pieces_of(ids), tokenizer.word_starts[ids]
        assert sum(starts) == 3
        assert [piece[:1] == "▁" for piece in pieces] == list(starts)
    pieces = TRAINED["bert", "wordpiece"]
    ids = pieces.encode("Two dogs, run2016")
    assert [not piece.startswith("##") for piece in pieces.pieces_of(ids)] == list(pieces.word_starts[ids])
    assert TRAINED["bert", "word"].word_starts.dtype == np.bool_


@every_one
def test_a_special_is_a_word_of_its_own(name: str, kind: str) -> None:
    tokenizer = TRAINED[name, kind]
    assert tokenizer.word_starts.shape == (tokenizer.size,)
    assert tokenizer.word_starts[list(tokenizer.specials)].all()


# --- marks in a text


def test_masks_and_sentinels_may_be_written_out() -> None:
    bert, t5 = TRAINED["bert", "bpe"], TRAINED["t5", "bpe"]
    ids = bert.encode_marked("A [MASK] runs [CLS].")
    assert ids.count(bert.mask) == 1
    assert not set(ids) & (bert.specials - {bert.mask})
    assert t5.sentinels[0] in t5.encode_marked("A <extra_id_0> runs")
    assert t5.sentinels[0] not in t5.encode("A <extra_id_0> runs")
    assert t5.eos not in t5.encode_marked("A </s> runs")


# --- extension


@every_one
def test_a_vocabulary_grows_and_keeps_what_it_knew(name: str, kind: str) -> None:
    tokenizer = TRAINED[name, kind]
    larger, moved = tokenizer.extended(["zebra", "kangaroo"])
    assert larger.size == tokenizer.size + 2
    assert larger.pieces_of(moved) == tokenizer.pieces_of(range(tokenizer.size))
    assert len(set(moved)) == tokenizer.size
    if name == "regard":
        assert larger.pad == larger.size - 1 == moved[-1]
        assert list(moved[:-1]) == list(range(tokenizer.size - 1))
    else:
        assert list(moved) == list(range(tokenizer.size))
    new = set(range(larger.size)) - set(moved.tolist())
    assert [len(new & set(larger.encode(text))) for text in ("A zebra runs.", "zebra", "zebra kangaroo")] == [1, 1, 2]
    assert not new & larger.specials
    for line in LINES[:5]:
        assert larger.encode(line) == [moved[index] for index in tokenizer.encode(line)]
    assert larger.wrap([7], [8]).types == tokenizer.wrap([7], [8]).types
    if kind in SPELT:
        assert larger.decode(larger.encode("A zebra, zebra kangaroo runs.")) == "A zebra, zebra kangaroo runs."


def test_an_extended_tokenizer_survives_saving_and_growing_again(tmp_path: Path) -> None:
    larger, _ = TRAINED["regard", "bpe"].extended(["zebra"])
    larger.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.encode("A zebra runs.") == larger.encode("A zebra runs.")
    again, moved = loaded.extended(["zebra", "kangaroo"])
    assert again.size == larger.size + 1
    assert [moved[index] for index in larger.encode("A zebra runs.")] == again.encode("A zebra runs.")
    same, moved = again.extended([])
    assert same.size == again.size == len(moved)
    assert same.pad == again.pad == moved[-1]


@pytest.mark.parametrize("token", ["", "  ", "</s>", "<pad>"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(SettingError, match=r"tokens: got '.*'; expected a word that is no special token; leave it out"):
        TRAINED["regard", "bpe"].extended([token])
