"""The study on a few sentences: its form, and that its numbers are those of its parts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from regard.data.builtin import sample
from regard.errors import DataError
from regard.studies import embedding
from regard.studies.frame.study import Findings, Order
from regard.studies.word_vectors import kinds as kinds_of_vectors
from regard.studies.word_vectors.agreement import same_class
from regard.studies.word_vectors.classes import classes
from regard.studies.word_vectors.corpus import WordVectors, read
from regard.studies.word_vectors.counts import cooccurrence
from regard.studies.word_vectors.kinds import COUNTS, LEARNED, WEIGHTED
from regard.studies.word_vectors.skipgram import SkipGram
from regard.studies.word_vectors.verdict import told, verdict


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        learning = SkipGram(dimensions=8, epochs=2)
        patch.setattr(embedding, "QUICK", replace(embedding.QUICK, sentences=(200, 600), trials=2, learning=learning))
        patch.setattr(kinds_of_vectors, "REFERENCE", 600)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A "trained model" that knows the classes: a direction each."""
    folder = tmp_path_factory.mktemp("run")
    kinds = classes()
    names = sorted(set(kinds.values()))
    words = sorted(word for word in kinds if kinds[word] != "person")
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate([*words, "?"])}, unk_token="?"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    rows = torch.stack([torch.eye(len(names) + 1)[names.index(kinds[word])] for word in words] + [torch.zeros(13)])
    save_file({"shared.weight": rows}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def findings(small: None) -> Findings:
    return embedding.run(Order(quick=True))


def test_the_numbers_are_shares_inside_their_intervals_and_survive_json(findings: Findings):
    numbers = json.loads(json.dumps(findings.numbers, allow_nan=False))
    assert set(numbers["same_class"]) == {COUNTS, WEIGHTED, LEARNED}
    for row in numbers["same_class"].values():
        for one in row.values():
            assert 0 <= one["low"] <= one["value"] <= one["high"] <= 1
    assert [point["sentences"] for point in numbers["by_sentences"][LEARNED]] == [200, 600]
    assert numbers["by_sentences"][COUNTS][-1]["value"] == numbers["same_class"][COUNTS]["cosine"]["value"]
    assert len(numbers["seeds"]) == 2
    assert np.mean(numbers["seeds"]) == pytest.approx(numbers["same_class"][LEARNED]["cosine"]["value"])


def test_the_share_of_counts_is_that_of_the_corpus(findings: Findings):
    texts = [sample.words(pair.english.lower()) for pair in sample.splits()["train"][:600]]
    corpus = read(texts, least_count=2)
    hits = same_class(WordVectors("", corpus.words, cooccurrence(corpus, 3)), classes())
    assert findings.numbers["same_class"][COUNTS]["cosine"]["value"] == pytest.approx(hits.mean())
    assert findings.numbers["words_with_class"] == len(hits)


def test_the_sentence_is_what_the_intervals_say(findings: Findings):
    words = {True: "better than", False: "worse than", None: "neither surely better nor surely worse than"}
    assert f"on this corpus learned vectors are {words[findings.held]}" in findings.sentence
    assert findings.sentence.startswith("In 600 sentences the nearest word by cosine is of the same class for ")
    assert "seeds" not in findings.settings, "there are several, so nobody is warned of one"


def test_pictures_and_tables_show_every_kind(findings: Findings):
    names = [picture.name for picture in findings.pictures]
    assert names == ["same-class", "by-size", "neighbours-cosine", "neighbours-dot", "map-pca"]
    first, second = findings.tables
    assert [row[0] for row in first.rows] == [COUNTS, WEIGHTED, LEARNED]
    assert [row[1] for row in first.rows][2] == 8
    assert {row[0] for row in second.rows} <= set(classes().values())


HALF, MOST, FEW = np.array([0.0, 1.0] * 20), np.array([1.0] * 36 + [0.0] * 4), np.array([1.0] * 2 + [0.0] * 38)


@pytest.mark.parametrize(
    ("ours", "theirs", "held"),
    [
        ([MOST], (HALF, FEW), True),
        ([MOST, MOST, MOST], (HALF, FEW), True),
        ([MOST], (HALF, MOST), None),
        ([HALF], (FEW, MOST), False),
        ([MOST, MOST, FEW], (HALF, FEW), None),  # over the words better on the whole, but not with every seed
        ([FEW, FEW, MOST], (HALF, FEW), None),
    ],
)
def test_learning_is_better_where_it_surely_is_than_each_way_of_counting_over_words_and_seeds(ours, theirs, held):
    found, differences = verdict(np.array(ours), dict(zip((COUNTS, WEIGHTED), theirs, strict=True)))
    assert found is held
    rival = min(differences, key=lambda name: differences[name].value)
    assert differences[rival].value == pytest.approx(np.mean(ours) - max(one.mean() for one in theirs))
    assert f"{rival} ({100 * differences[rival].value:+.1f} points" in told(found, differences)


def test_as_many_vectors_are_learned_as_seeds_are_asked_for(small: None):
    assert len(embedding.run(Order(quick=True, repeats=3)).numbers["seeds"]) == 3


def test_a_trained_models_vectors_stand_beside_the_others_for_the_words_it_has(small: None, run: Path):
    found = embedding.run(Order(quick=True, run=run)).numbers
    assert found["same_class"][f"run {run.name}"]["cosine"]["value"] == 1
    assert found["words"] == found["words_with_class"] < 187


def test_a_run_that_shares_no_words_is_refused(small: None, run: Path, tmp_path: Path):
    text = tmp_path / "text.txt"
    text.write_text("eins zwei drei vier fünf sechs sieben acht neun\n" * 5, encoding="utf-8")
    (tmp_path / "tokenizer.json").write_bytes((run / "tokenizer.json").read_bytes())
    save_file({"shared.weight": torch.zeros(300, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match=r"got \d words of the text; expected at least 8 that are one piece of its"):
        embedding.run(Order(quick=True, text=text, run=tmp_path))


def test_a_text_of_ones_own_is_measured_by_what_the_vectors_share(small: None, tmp_path: Path):
    text = tmp_path / "text.txt"
    draw = np.random.default_rng(1)
    words = [f"단어{number}" for number in range(12)]
    text.write_text("".join(" ".join(draw.choice(words, 6)) + "\n" for _ in range(60)), encoding="utf-8")
    found = embedding.run(Order(quick=True, text=text))
    assert found.sentence.startswith("Of the 10 nearest words of each of 12 words these share: ")
    assert found.numbers["lines"] == 60
    assert set(found.numbers["shared"]) == {
        f"learned and {name}" for name in (COUNTS, WEIGHTED, "learned from another seed")
    }
    assert found.settings["text"] == "text.txt"
