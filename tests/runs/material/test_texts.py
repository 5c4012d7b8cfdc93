"""Plain texts: what is one, which are held out, and what is written of them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from regard.errors import DataError, SettingError
from regard.runs.material import read_corpus
from regard.runs.material.texts import TextCorpus
from regard.runs.recipe import recipe_from

LINES = [f"line number {n} of the text" for n in range(60)]


def corpus(**data: object) -> TextCorpus:
    found = read_corpus(recipe_from({"data": data}, size="tiny"))
    assert isinstance(found, TextCorpus)
    return found


def test_every_line_is_trained_or_validated_on(written):
    found = corpus(text=written("t", *LINES, "", "  "))
    assert sorted([*found.train(), *found.valid()]) == sorted(LINES)
    assert list(found.valid()) == LINES[::20]
    assert found.kept == 60
    assert list(found.train()) == list(found.train()), "as often as it is read"


def test_a_paragraph_is_what_stands_between_blank_lines(written):
    found = corpus(text=written("t", *(word for n in range(20) for word in (f"a {n}", f"b {n}", ""))), unit="paragraph")
    assert list(found.valid()) == ["a 0\nb 0"]
    assert list(found.train()) == [f"a {n}\nb {n}" for n in range(1, 20)]


def test_of_a_single_text_the_last_tenth_is_held_out(written):
    path = written("t", *LINES)
    found = corpus(text=path, unit="file")
    (train,), (valid,) = found.train(), found.valid()
    whole = "\n".join(LINES)
    assert train + valid == whole
    assert len(valid) == len(whole) - int(0.9 * len(whole))


def test_named_validation_text_is_all_of_it(written):
    found = corpus(text=written("t", "only", "two"), valid_text=written("v", "x", "y"))
    assert (list(found.train()), list(found.valid())) == (["only", "two"], ["x", "y"])


def test_a_table_has_its_texts_in_a_column(written):
    rows = [json.dumps({"body": line, "other": 1}) for line in LINES]
    found = corpus(text=written("t.jsonl", *rows), text_column="body")
    assert sorted([*found.train(), *found.valid()]) == sorted(LINES)
    named = corpus(text=written("t.txt", "text\tn", *(f"{line}\t1" for line in LINES)))
    assert sorted([*named.train(), *named.valid()]) == sorted(LINES)


@pytest.mark.parametrize("count", [2, 19])
def test_a_few_texts_are_too_few_to_hold_one_out(written, count):
    with pytest.raises(DataError, match=f"got {count} texts and no validation text; expected 20 texts or more"):
        corpus(text=written("t", *LINES[:count]))
    assert len(list(corpus(text=written("u", *LINES[:20])).valid())) == 1


def test_files_without_text_are_refused(written):
    with pytest.raises(DataError, match="got nothing but white space; expected some text"):
        corpus(text=written("t", "", " "))
    with pytest.raises(DataError, match=r"t\.tsv: got no text; expected some text to learn from; check the file"):
        corpus(text=written("t.tsv", "text\tn", "\t1"))
    with pytest.raises(DataError, match=r"v\.tsv: got no text; expected validation text; check the file, or name none"):
        corpus(text=written("t", *LINES), valid_text=written("v.tsv", "text\tn", "\t1"))
    with pytest.raises(SettingError, match=r"data\.text: got nothing; expected a file; give --text FILE"):
        read_corpus(recipe_from({"task": {"kind": "next_token"}}, size="tiny"))


def test_bytes_and_words_of_the_validation_text_are_counted_for_the_scores(material, written):
    found = material("next_token", {"text": written("t", *LINES), "valid_text": written("v", "süß ist es", "ja")})
    assert (found.facts["valid_bytes"], found.facts["valid_words"]) == (12 + 2, 4)
    assert found.described()["training_texts"] == 60


def test_line_ends_inside_a_text_are_learnt_where_space_is_kept(material, written):
    found = material(
        "next_token", {"text": written("t", *LINES), "unit": "file"}, tokenizer={"kind": "character", "spaces": "keep"}
    )
    text = "line number 2\nof the text"
    assert found.source.decode(found.source.encode(text)) == text


def test_no_token_is_lost_and_no_batch_over_the_budget(material, written):
    long = " ".join(LINES)
    data = {"text": written("t", *LINES, long), "valid_text": written("v", *LINES)}
    found = material("masked_token", data, task={"block": 16}, train={"batch_tokens": 64}, family="bert")
    feed = found.feed()
    for epoch in (0, 1):
        rows = feed.epoch(epoch)
        pieces = np.concatenate(rows)
        assert sorted(pieces) == list(range(len(pieces)))
        assert all(feed.collate(batch).ids.numel() <= 64 for batch in rows)
    counts = found.pieces(found.train)[:, 1]
    assert counts.sum() == found.train.tokens["text"]
    assert counts.max() == 14  # [CLS] and [SEP] around


def test_a_block_without_room_for_a_token_is_refused(material, written):
    data = {"text": written("t", *LINES)}
    with pytest.raises(SettingError, match=r"task\.block: got 2 tokens; expected room for a token beside the special"):
        material("masked_token", data, task={"block": 2}, family="bert")
