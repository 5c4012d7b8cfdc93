"""Pairs, from files to what training reads: which ones, held out how, learnt from what."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from regard.data.tokenizers.tokenizer import Tokenizer
from regard.errors import DataError, SettingError
from regard.runs.material import is_prepared, learn_tokenizers, open_material, read_corpus
from regard.runs.material import prepare as prepare_files
from regard.runs.material.pairs import PairMaterial
from regard.runs.recipe import Recipe, recipe_from


def pairs(count: int) -> list[tuple[str, str]]:
    return [(f"the dog number {n} runs", f"der Hund Nummer {n} läuft") for n in range(count)]


def recipe(folder: Path, found: list[tuple[str, str]], valid: int = 0, **sections: Any) -> Recipe:
    """Write the pairs into files, the last ``valid`` of them as validation files, and make a recipe of them."""
    data: dict[str, Any] = {}
    split = len(found) - valid
    for name, chosen in {"": found[:split], "valid_": found[split:]}.items():
        for side, ending in (("source", "en"), ("target", "de")):
            if chosen:
                path = folder / f"{name}{ending}"
                path.write_text("".join(f"{pair[side == 'target']}\n" for pair in chosen), encoding="utf-8")
                data[f"{name}{side}"] = str(path)
    return recipe_from({"data": {**data, **sections.pop("data", {})}, **sections}, size="tiny")


def prepare(corpus: Any, folder: Path) -> PairMaterial:
    source, target = learn_tokenizers(corpus)
    prepare_files(corpus, folder, source, target)
    material = open_material(corpus.recipe, folder, source, target)
    assert isinstance(material, PairMaterial)
    return material


def texts(store: Any, tokenizers: tuple[Tokenizer, Tokenizer]) -> list[tuple[str, str]]:
    """The pairs of a store, decoded."""
    source, target = tokenizers
    return [
        (source.decode(store.row("source", row)), target.decode(store.row("target", row))) for row in range(len(store))
    ]


def test_every_pair_is_either_trained_or_validated_on(tmp_path):
    found = pairs(100)
    corpus = read_corpus(recipe(tmp_path, found))
    train = list(corpus.train())
    assert sorted(train + corpus.valid) == sorted(found)
    assert len(corpus.valid) == 5  # at most a twentieth
    assert not set(train) & set(corpus.valid)
    assert train == list(corpus.train()), "as often as it is read"
    assert corpus.cleaning["kept"] == corpus.cleaning["read"] == 100


@pytest.mark.parametrize(
    ("count", "wanted", "held_out"),
    [
        (1000, 10, 10),
        (1000, 250, 250),
        (299, 100, 100),
        (1000, 300, 250),
        (1000, 600, 500),
        (2, 10, 1),
        (1000, None, 50),
        (21, None, 2),
        (30_000, None, 1000),
    ],
)
def test_as_many_are_held_out_as_the_recipe_says_else_a_twentieth_or_a_thousand(tmp_path, count, wanted, held_out):
    corpus = read_corpus(recipe(tmp_path, pairs(count), data={"valid_pairs": wanted}))
    assert len(corpus.valid) == held_out


def test_named_validation_files_are_taken_as_they_are_but_for_empty_lines(tmp_path):
    found = [*pairs(30), ("a", "b"), ("a", "b"), ("", "b"), ("a", " "), ("long " * 300, "b")]
    corpus = read_corpus(recipe(tmp_path, found, valid=5))
    assert corpus.valid == [("a", "b"), ("a", "b"), ("long " * 300, "b")]
    assert len(list(corpus.train())) == 30


def test_validation_files_without_a_pair_are_refused(tmp_path):
    with pytest.raises(DataError, match="valid_en: got no pair with text on both sides; expected validation pairs"):
        read_corpus(recipe(tmp_path, [*pairs(30), ("", "x"), ("x", "")], valid=2))


def test_what_cleaning_left_out_is_neither_trained_nor_validated_on_and_is_told(tmp_path):
    found = [*pairs(40), pairs(1)[0], ("", "leer"), ("x " * 50, "y")]
    made = recipe(tmp_path, found, cleaning={"max_words": 20})
    corpus = read_corpus(made)
    assert sorted([*corpus.train(), *corpus.valid]) == sorted(pairs(40))
    told = prepare(corpus, tmp_path / "run").facts["cleaning"]
    assert (told["read"], told["kept"]) == (43, 40)
    assert {rule: dropped["count"] for rule, dropped in told["dropped"].items()} == {
        "duplicate": 1,
        "empty side": 1,
        "longer than 20 words": 1,
    }
    assert told["dropped"]["duplicate"]["examples"] == [
        {"line": 41, "source": pairs(1)[0][0], "target": pairs(1)[0][1]}
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "data.source: got nothing; expected two text files; give --source FILE --target FILE"),
        ({"source": "a"}, "data.source: got one file of two; expected a source and a target; name both or none"),
        ({"target": "a"}, "data.source: got one file of two"),
        ({"source": "a", "target": "b", "valid_target": "c"}, "data.valid_source: got one file of two"),
        ({"valid_source": "a", "valid_target": "b"}, "data.source: got nothing"),
    ],
)
def test_what_is_not_named_is_asked_for(data, message):
    with pytest.raises(SettingError, match=message):
        read_corpus(recipe_from({"data": data}, size="tiny"))


@pytest.mark.parametrize("joint", [True, False])
def test_what_is_prepared_opens_again_as_it_was(tmp_path, joint):
    found = pairs(60)
    made = recipe(tmp_path, found, valid=10, tokenizer={"joint": joint, "kind": "character", "size": 40})
    assert not is_prepared(tmp_path / "run")
    first = prepare(read_corpus(made), tmp_path / "run")
    assert is_prepared(tmp_path / "run")
    second = open_material(made, tmp_path / "run", first.source, first.target)
    for prepared in (first, second):
        tokenizers = prepared.source, prepared.target
        assert texts(prepared.train, tokenizers) == found[:50]
        assert texts(prepared.valid, tokenizers) == found[50:] == prepared.texts
        assert (prepared.source is prepared.target) == joint
    assert first.train.fingerprint == second.train.fingerprint
    assert first.facts == second.facts


def test_separate_tokenizers_are_learnt_from_their_own_side(tmp_path):
    made = recipe(tmp_path, pairs(30), tokenizer={"joint": False, "kind": "character"})
    source, target = learn_tokenizers(read_corpus(made))
    assert source.encode("ä") == [source.unk]
    assert target.encode("ä") != [target.unk]
    joint, again = learn_tokenizers(read_corpus(recipe(tmp_path, pairs(30), tokenizer={"kind": "character"})))
    assert joint is again
    assert source.size < joint.size


def test_no_tokenizer_learns_from_the_validation_pairs(tmp_path):
    found = [*pairs(30), ("ž", "ž")]
    source, _ = learn_tokenizers(read_corpus(recipe(tmp_path, found, valid=1, tokenizer={"kind": "character"})))
    assert source.encode("ž") == [source.unk]


def test_pairs_with_too_many_tokens_are_left_out_of_training(tmp_path):
    found = [*pairs(30), ("a b c d e f g h i j k l m n o p q r s t", "kurz")]
    made = recipe(tmp_path, found, valid=10, data={"max_tokens": 40}, tokenizer={"kind": "character"})
    prepared = prepare(read_corpus(made), tmp_path / "run")
    assert len(prepared.train) + prepared.train.too_long == 21
    assert prepared.train.lengths.max() <= 40


def test_the_same_corpus_in_any_format_is_the_same(tmp_path):
    found = pairs(30)
    plain = prepare(read_corpus(recipe(tmp_path, found)), tmp_path / "plain")
    both = tmp_path / "both"
    both.mkdir()
    lines = [f"{source}\t{target}\n" for source, target in found]
    (both / "all.tsv").write_text("".join(lines), encoding="utf-8")
    records = [json.dumps({"source": source, "target": target}) + "\n" for source, target in found]
    (both / "all.jsonl").write_text("".join(records), encoding="utf-8")
    with gzip.open(both / "all.tsv.gz", "wt", encoding="utf-8") as file:
        file.writelines(lines)
    with gzip.open(both / "en.gz", "wt", encoding="utf-8", newline="") as file:
        file.write("\ufeff" + "".join(f"{source}\r\n" for source, _ in found))
    (both / "de.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for _, t in found), encoding="utf-8")
    for source, target in (("all.tsv",) * 2, ("all.jsonl",) * 2, ("all.tsv.gz",) * 2, ("en.gz", "de.jsonl")):
        table = {"data": {"source": str(both / source), "target": str(both / target)}}
        prepared = prepare(read_corpus(recipe_from(table, size="tiny")), tmp_path / f"{source}-{target}")
        assert prepared.train.fingerprint == plain.train.fingerprint
        assert prepared.texts == plain.texts


# What becomes of them ------------------------------------------------------------------------------------------------


def test_both_sides_end_and_are_filled_up(tmp_path):
    material = prepare(read_corpus(recipe(tmp_path, pairs(30), valid=10)), tmp_path / "run")
    ids = material.vocabulary()
    seen = 0
    for batch in material.validation():
        for side, count, pad in (
            (batch.source, batch.source_tokens, ids.source_pad),
            (batch.target, batch.target_tokens, ids.pad),
        ):
            assert int((side != pad).sum()) == count
            assert ((side == ids.eos).sum(1) == 1).all()
        seen += len(batch.target)
    assert seen == 10


def test_every_pair_is_in_one_batch_of_an_epoch_under_the_budget(tmp_path):
    made = recipe(tmp_path, pairs(60), valid=10, train={"batch_tokens": 64})
    feed = prepare(read_corpus(made), tmp_path / "run").feed()
    rows = feed.epoch(0)
    assert sorted(row for batch in rows for row in batch) == list(range(50))
    assert all(batch.source.numel() <= 64 and batch.target.numel() <= 64 for batch in map(feed.collate, rows))


def test_a_prefix_stands_before_every_source(tmp_path):
    corpus = read_corpus(recipe(tmp_path, pairs(30), valid=5, task={"prefix": "translate"}))
    assert [source for source, _ in [*corpus.train(), *corpus.valid]] == [f"translate: {one}" for one, _ in pairs(30)]


@pytest.mark.parametrize(("family", "positions", "most"), [("transformer", 20, 19), ("bart", 20, 18)])
def test_there_must_be_positions_for_the_special_tokens_too(tmp_path, family, positions, most):
    """</s> around ours, <s> and </s> around BART's."""
    model = {"layers": 1, "d_model": 16, "d_ff": 32, "heads": 2, "longest": positions}
    model |= {"positions": "learned"} if family == "transformer" else {}
    for longest in (most, most + 1):
        made = recipe(tmp_path, pairs(30), family=family, model=model, data={"max_tokens": longest})
        if longest == most:
            prepare(read_corpus(made), tmp_path / str(longest))
            continue
        expected = (
            f"data.max_tokens: got {longest} with positions for {positions}; expected room for {positions - most}"
        )
        with pytest.raises(SettingError, match=f"{expected} special tokens too; use {most}, or raise model.longest"):
            prepare(read_corpus(made), tmp_path / str(longest))


def test_a_validation_pair_that_is_too_long_is_neither_measured_nor_translated(tmp_path):
    long = ("the dog runs and " * 40, "der Hund läuft und " * 40)
    corpus = read_corpus(recipe(tmp_path, [*pairs(60), *pairs(3), long], valid=4, data={"max_tokens": 60}))
    assert long[0].strip() in [source.strip() for source, _ in corpus.valid]
    material = prepare(corpus, tmp_path / "run")
    assert material.texts == pairs(3)
    assert len(material.valid) == 3
