"""Couples of texts for vectors of sentences."""

from __future__ import annotations

import pytest

from regard.errors import DataError, SettingError
from regard.runs.material import read_corpus
from regard.runs.recipe import recipe_from

LINES = [f"text number {n}" for n in range(42)]


def corpus(**data: object):
    return read_corpus(recipe_from({"data": data, "task": {"kind": "embedding"}}, size="tiny"))


def test_two_files_are_couples_line_by_line(written):
    found = corpus(source=written("a", *LINES, "x", ""), target=written("b", *LINES[::-1], " ", "y"))
    couples = list(zip(LINES, LINES[::-1], strict=True))
    assert sorted(found.train + found.valid) == sorted(couples)
    assert found.valid == couples[::20]


def test_a_text_alone_is_a_couple_with_itself(written):
    found = corpus(text=written("a", *LINES), valid_text=written("v", "x", "y"))
    assert found.train == [(line, line) for line in LINES]
    assert found.valid == [("x", "x"), ("y", "y")]
    pairs = corpus(text=written("a", *LINES), valid_source=written("s", "x"), valid_target=written("t", "y"))
    assert pairs.valid == [("x", "y")]


@pytest.mark.parametrize("count", [1, 2])
def test_a_choice_needs_two(written, count):
    with pytest.raises(DataError, match=f"got {count} couples; expected at least 21 texts or couples; check the files"):
        corpus(text=written("a", *LINES[:count]))


def test_nothing_is_asked_for():
    for data in ({}, {"source": "only one"}):
        with pytest.raises(
            SettingError, match=r"data\.text: got nothing; expected a file; give --text FILE, or --source"
        ):
            corpus(**data)


def test_every_batch_is_a_choice_and_couples_stay_together(material, written):
    data = {"source": written("a", *LINES), "target": written("b", *(line.replace("text", "Text") for line in LINES))}
    found = material("embedding", data, train={"batch_tokens": 30})
    assert found.head.kind == "none"
    feed = found.feed()
    for rows in feed.epoch(0):
        batch = feed.collate(rows)
        assert len(batch.first) == len(batch.second) == batch.target_tokens > 1
        for one, two in zip(batch.first.tolist(), batch.second.tolist(), strict=True):
            assert found.source.decode(one).split()[-1] == found.source.decode(two).split()[-1]
    assert "text_file" not in found.described()


def test_a_text_is_cut_to_what_the_model_can_read(material, written):
    data = {"text": written("a", *LINES, "word " * 500), "max_tokens": 20}
    feed = material("embedding", data).feed()
    assert max(feed.collate(rows).first.shape[1] for rows in feed.epoch(0)) == 20
