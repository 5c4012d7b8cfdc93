"""The gradient over distance: the measure against hand arithmetic, the verdict, and the study in small."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from regard.data.batching import LabelledBatch
from regard.errors import DataError
from regard.evaluation.interval import Interval
from regard.studies import gradient
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.gradient import STUDY, run
from regard.studies.long_memory.decays import Decays, decays
from regard.studies.long_memory.flow import decay, gradient_norms
from regard.studies.long_memory.readers import GRU, LSTM, OTHER_BEGINNINGS, READERS, RNN, TRANSFORMER, Attending, Reader
from regard.studies.long_memory.recall import Recall, of_file, recall


class Fading(nn.Module):
    """y_T = Σ_k x_{T−k} / 10^k."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        powers = 10.0 ** -torch.arange(x.shape[1], dtype=x.dtype).flip(0)
        return (x * powers[None, :, None]).cumsum(1)


WORDS = "the cat saw a dog and the dog saw a cat that the man saw".split()
TEXTS = {
    "train": [[WORDS[(3 * i + j * i) % len(WORDS)] for j in range(5)] for i in range(200)],
    "test": [[WORDS[(i + j) % len(WORDS)] for j in range(4)] + ["unknown"] for i in range(40)],
}


@pytest.fixture
def small() -> Recall:
    return recall(TEXTS, 6, 4)


def batch(rows: int, length: int, vocabulary: int, answers: int) -> LabelledBatch:
    torch.manual_seed(0)
    ids, labels = torch.randint(vocabulary, (rows, length)), torch.randint(answers, (rows,))
    return LabelledBatch(ids, torch.zeros_like(ids), labels, rows)


def test_a_gradient_that_fades_tenfold_loses_one_power_of_ten_per_position():
    model = Reader(9, 3, 4, Fading())
    norms = gradient_norms(model, batch(5, 7, 9, 3))
    assert norms.shape == (5, 7)
    assert norms - norms[:, :1] == pytest.approx(np.tile(-np.arange(7.0), (5, 1)), abs=1e-9)
    assert decay(norms) == pytest.approx(np.ones(5))


def test_the_norms_are_those_of_finite_differences():
    torch.manual_seed(1)
    model = Reader(9, 3, 4, READERS[LSTM](4)).double()
    texts = batch(1, 5, 9, 3)
    x = model.embed(texts.ids).detach()

    def loss(x: torch.Tensor) -> float:
        return float(functional.cross_entropy(model.judge(x), texts.labels).detach())

    for k in range(5):
        slopes = []
        for place in range(4):
            step = torch.zeros_like(x)
            step[0, 4 - k, place] = 1e-5
            slopes.append((loss(x + step) - loss(x - step)) / 2e-5)
        assert gradient_norms(model, texts)[0, k] == pytest.approx(math.log10(math.hypot(*slopes)), abs=1e-4)


def test_distance_0_does_not_count_in_the_decay():
    assert decay(np.array([99.0, -1.0, -1.5, -2.0])) == pytest.approx(0.5)


def test_the_forget_bias_is_what_its_name_says():
    biases = {name: build(8).layer.input.bias.chunk(4)[1] for name, build in OTHER_BEGINNINGS.items() if "LSTM" in name}
    assert {name: set(bias.tolist()) for name, bias in biases.items()} == {
        "LSTM, forget bias 0": {0.0},
        "LSTM, forget bias 3": {3.0},
    }
    assert set(READERS[LSTM](8).layer.input.bias.chunk(4)[1].tolist()) == {1.0}


def test_no_position_of_the_transformer_sees_its_future():
    torch.manual_seed(0)
    reads, x = Attending(8).double(), torch.randn(2, 6, 8, dtype=torch.float64)
    changed = torch.cat((x[:, :4], torch.randn(2, 2, 8, dtype=torch.float64)), 1)
    torch.testing.assert_close(reads(changed)[:, :4], reads(x)[:, :4], rtol=0, atol=1e-12)


def test_a_text_begins_with_its_answer_and_goes_on_as_it_was(small):
    assert torch.equal(small.train.ids[:, 0], small.train.labels)
    assert small.train.labels.unique().tolist() == [0, 1, 2, 3]
    words = [word for text in TEXTS["train"] for word in text]
    flat = recall(TEXTS, len(words), 4).train.ids[0]
    assert len(flat) == len(words) == 1000
    for word in set(words):
        places = [place for place in range(1, len(words)) if words[place] == word]
        assert flat[places].unique().numel() == 1, f"every {word} has one id"
    assert small.vocabulary == len(set(words)), "words of the test alone are left out"
    assert small.test.ids.shape == (160 // 6, 6)


def test_an_epoch_has_every_text_once_but_for_the_last_few(small):
    feed = small.feed(32, seed=1)
    chosen = np.concatenate(feed.epoch(0))
    assert len(set(chosen)) == len(chosen) == len(small.train.ids) // 32 * 32
    assert not np.array_equal(chosen, np.concatenate(feed.epoch(1)))
    first = feed.epoch(0)[0]
    assert torch.equal(feed.collate(first).ids, small.train.ids[first])


def over(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high)


@pytest.mark.parametrize(
    ("plain", "attention", "beyond", "held"),
    [
        (over(0.2, 0.3), over(-0.01, 0.01), over(0.1, 0.2), True),
        (over(0.2, 0.3), over(-0.30, -0.1), over(0.1, 0.2), True),
        (over(0.2, 0.3), over(0.01, 0.03), over(0.1, 0.2), None),
        (over(0.2, 0.3), over(-0.01, 0.01), over(-0.1, 0.2), None),
        (over(0.2, 0.3), over(0.03, 0.05), over(0.1, 0.2), False),
        (over(0.2, 0.3), over(-0.01, 0.01), over(-0.2, -0.1), False),
        (over(0.01, 0.3), over(-0.01, 0.01), over(0.1, 0.2), None),
        (over(-0.1, 0.01), over(-0.01, 0.01), over(0.1, 0.2), False),
    ],
)
def test_the_claim_holds_where_the_rnn_s_surely_vanishes_and_more_than_the_gated_and_attention_s_does_not(
    plain, attention, beyond, held
):
    found = Decays({RNN: plain, TRANSFORMER: attention}, {LSTM: over(0.1, 0.2), GRU: beyond})
    assert found.verdict is held


def test_decays_are_told_apart_row_by_row():
    k = np.arange(5.0)
    steep = np.array([-(1.0 + draw) * k for draw in (0.1, 0.5, 0.9)])
    found = decays({RNN: steep, LSTM: steep + 0.5 * k, GRU: steep + 0.25 * k, TRANSFORMER: 0 * steep})
    assert [found.each[RNN].value, found.each[TRANSFORMER].value] == pytest.approx([1.5, 0.0])
    assert [found.beyond[LSTM].low, found.beyond[LSTM].high] == pytest.approx([0.5, 0.5])
    assert found.beyond[GRU].value == pytest.approx(0.25)
    assert found.verdict is True


@pytest.mark.parametrize("repeats", [None, 2])
def test_the_study_in_small_is_a_page_whose_sentence_has_the_numbers(monkeypatch, tmp_path, repeats):
    settings = replace(gradient.QUICK, length=6, answers=4, d_model=8, draws=2, steps=2, rows=8)
    monkeypatch.setattr(gradient, "QUICK", settings)
    monkeypatch.setattr(gradient, "built_in", lambda: TEXTS)
    findings = run(Order(quick=True, repeats=repeats))
    write(STUDY, findings, tmp_path / "page")
    assert {path.name for path in (tmp_path / "page").iterdir()} >= {"index.html", "gradient.png", "beginnings.png"}
    for state in ("untrained", "trained"):
        for name in READERS:
            assert f"{name} {findings.numbers[state]['lost_per_position'][name]['value']:.3f} (" in findings.sentence
    assert all(len(values) == (repeats or 1) for values in findings.numbers["right"].values())


def test_a_text_of_ones_own_is_read_in_words_of_which_every_tenth_line_is_tested(tmp_path: Path):
    path = tmp_path / "mine.txt"
    path.write_text("".join("Other LINES, other words\n" if n % 10 == 0 else "Other words here\n" for n in range(2000)))
    texts = of_file(path, 4, 3)
    assert texts["train"] == [["other", "words", "here"]] * 1800
    assert texts["test"] == [["other", "other", "words"]] * 200, "a word that training does not have is left out"


@pytest.mark.parametrize("lines", [100, 2000])
def test_the_study_of_ones_own_text_names_it_and_refuses_one_too_short(monkeypatch, tmp_path: Path, lines: int):
    settings = replace(gradient.QUICK, length=6, answers=4, d_model=8, draws=2, steps=2, rows=8)
    monkeypatch.setattr(gradient, "QUICK", settings)
    path = tmp_path / "mine.txt"
    path.write_text("The cat saw a dog and the dog saw a cat.\n" * lines)
    order = Order(quick=True, text=path)
    STUDY.check(order)
    if lines == 2000:
        found = run(order)
        assert found.settings["text"] == "mine.txt"
        assert set(found.numbers["right"]) == set(READERS)
    else:
        with pytest.raises(DataError, match=r"got 990 words to learn .* expected at least 1920, 192 and 4; give a lon"):
            run(order)
