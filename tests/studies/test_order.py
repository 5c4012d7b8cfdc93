"""Order: what a permuted source changes, codes of positions, sentences of the same words, the study in small."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from regard.data.builtin.sample import split_of, words
from regard.errors import DataError
from regard.evaluation.interval import wilson
from regard.families import transformer
from regard.layers.position import NoPositions
from regard.models.vocabulary import own_vocabulary
from regard.studies import order as study
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import Difference
from regard.studies.order import (
    BAG,
    KINDS,
    LEARNED,
    NONE,
    QUICK,
    SINUSOID,
    STUDY,
    held,
    run,
    tell_apart,
    with_positions,
)
from regard.studies.word_order.codes import binary_codes, sinusoid_codes, step_residual
from regard.studies.word_order.permuted import Moved, differences, moved
from regard.studies.word_order.swapped import Swapped, built_in, reversed_words

TINY = replace(QUICK, model={**QUICK.model, "d_model": 8, "d_ff": 8}, swapped=4, steps=2)


def test_permuting_the_source_permutes_the_output_without_positions_and_not_with_any():
    for kind in KINDS:
        found = moved(kind, seed=2)
        for size in (found.encoder, found.prediction):
            assert size < 1e-12 if kind == "none" else size > 1e-5, kind


def test_a_source_that_stays_as_it_is_moves_nothing_and_one_that_changes_does():
    torch.manual_seed(3)
    config = transformer.Config(layers=1, d_model=8, d_ff=8, heads=2, dropout=0.0, positions="none")
    model = transformer.build(config, own_vocabulary(9, 9, shared=False)).double().eval()
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3)
    source, target = torch.tensor([[1, 2, 3, 4]]), torch.tensor([[1, 2]])
    stays, turned = torch.arange(4)[None], torch.tensor([[3, 2, 1, 0]])
    with torch.no_grad():
        assert differences(model, source, source, stays, target) == Moved(0.0, 0.0)
        assert differences(model, source, source.flip(1), turned, target).encoder < 1e-12
        assert differences(model, source, source.flip(1), stays, target).encoder > 1e-3  # the wrong permutation
        assert differences(model, source, torch.tensor([[1, 2, 3, 5]]), stays, target).prediction > 1e-5


def test_the_model_without_positions_in_its_encoder_has_them_in_its_decoder(few_pairs):
    model = with_positions(BAG, TINY.model)(few_pairs.vocabulary)
    assert isinstance(model.encoder.embed.positions, NoPositions)
    assert not isinstance(model.decoder.embed.positions, NoPositions)


def test_binary_codes_are_the_digits_of_the_position():
    assert binary_codes(4).tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert binary_codes(9)[8].tolist() == [0, 0, 0, 1]


def test_sinusoids_stay_within_one_and_step_by_a_rotation_that_k_alone_decides():
    codes = sinusoid_codes(200, 6)
    assert abs(codes).max() <= 1.0
    k = 7
    rotation = np.zeros((6, 6))
    for pair in range(3):
        angle = k / 10000 ** (2 * pair / 6)
        cos, sin = math.cos(angle), math.sin(angle)
        rotation[2 * pair : 2 * pair + 2, 2 * pair : 2 * pair + 2] = [[cos, -sin], [sin, cos]]
    assert np.allclose(codes[:-k] @ rotation, codes[k:], atol=1e-6)
    assert all(step_residual(codes, k) < 1e-6 for k in (1, 7, 50))


def test_no_linear_map_steps_binary_codes_on_but_one_that_only_turns_the_last_digit():
    codes = binary_codes(256)
    assert min(step_residual(codes, k) for k in (1, 2, 3, 5, 8, 13)) > 0.1
    assert step_residual(codes, 0) < 1e-9


def test_the_residual_of_a_step_is_the_one_worked_out_by_hand():
    line = np.arange(6.0)[:, None]
    assert step_residual(line, 2) == pytest.approx(0.0, abs=1e-12)  # p + 2 = 1 · p + 2
    after = np.array([[0.0], [0.0], [1.0], [1.0], [0.0]])  # 0 → 0 and 1, 1 → 1 and 0: nothing beats the mean
    assert step_residual(after, 1) == pytest.approx(1.0)


def test_swapped_sentences_have_the_same_words_held_out_nouns_and_grammatical_translations():
    found = built_in()
    assert all(sorted(words(one.first.lower())) == sorted(words(one.second.lower())) for one in found)
    assert all(one.first != one.second and one.translations for one in found)
    nouns = [[word for word in words(one.first) if word not in ("The", "the")] for one in found]
    assert all(split_of([each[0], each[-1]]) == "test" for each in nouns)
    by_source = {one.first: one for one in found}
    assert by_source["The dog sees the bird."].translations == (
        "Der Hund sieht den Vogel.",
        "Der Vogel sieht den Hund.",
    )


def test_words_are_reversed_where_that_makes_another_text():
    assert reversed_words(["a b c", "a b a", "a"]) == [Swapped("a b c", "c b a")]


def test_sentences_are_told_apart_where_translations_differ_and_right_where_both_are(monkeypatch, few_pairs, outcome):
    swapped = [Swapped("a b", "b a", ("A B", "B A")), Swapped("c d", "d c", ("C D", "D C"))]
    swapped += [Swapped("e f", "f e", ("E F", "F E")), Swapped("g h", "h g", ("G H", "H G"))]
    answers = {
        "a b": "A B",
        "b a": "B A",
        "c d": "C D",
        "d c": "C D",
        "e f": "F E",
        "f e": "E F",
        "g h": "x",
        "h g": "x",
    }
    monkeypatch.setattr(study, "translate", lambda model, pairs, sources: [answers[one] for one in sources])
    found = tell_apart([outcome(), outcome(seed=2)], few_pairs, swapped)
    assert found.right is not None
    assert (found.differ.value, found.right.value) == (0.5, 0.25)
    assert tell_apart([outcome()], few_pairs, [Swapped("a b", "b a")]).right is None
    assert (found.differ.low, found.differ.high) == (0.5, 0.5)  # both seeds alike, over which the interval is
    assert tell_apart([outcome()], few_pairs, swapped).differ == wilson(2, 4)


UP, DOWN, UNSURE = Difference(2.0, True, ""), Difference(-2.0, True, ""), Difference(2.0, False, "")
SAME, OTHER = Moved(1e-15, 1e-15), Moved(0.1, 0.1)


@pytest.mark.parametrize(
    ("without", "sinusoid", "gain", "expected"),
    [
        (SAME, OTHER, UP, True),
        (SAME, OTHER, UNSURE, None),
        (SAME, OTHER, DOWN, False),
        (OTHER, OTHER, UP, False),
        (SAME, SAME, UP, False),
    ],
)
def test_the_claim_holds_where_order_is_lost_exactly_and_positions_surely_help(without, sinusoid, gain, expected):
    assert held({NONE: without, SINUSOID: sinusoid}, {SINUSOID: gain}) is expected


def test_the_study_in_small_agrees_with_its_numbers(monkeypatch, few_pairs, tmp_path: Path):
    monkeypatch.setattr(study, "QUICK", TINY)
    monkeypatch.setattr(study, "pairs_of", lambda order: few_pairs)
    found = run(Order(quick=True))
    assert list(found.numbers["trained"]) == [SINUSOID, LEARNED, NONE, BAG]
    bleu = {name: one[0]["bleu"] for name, one in found.numbers["trained"].items()}
    assert f"sinusoids give {bleu[SINUSOID] - bleu[NONE]:+.1f} BLEU" in found.sentence
    assert f"{100 * found.numbers['same_words'][BAG]['differ']['value']:.0f} % with {BAG}" in found.sentence
    write(STUDY, found, tmp_path / "out")
    written = {one.name for one in (tmp_path / "out").iterdir()}
    assert written >= {"index.html", "training.png", "same-words.png", "codes.png", "steps.png"}


def test_a_users_own_pairs_are_turned_round_and_too_few_are_refused(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(study, "QUICK", TINY)
    source, target = tmp_path / "a.en", tmp_path / "a.de"
    for many in (220, 100):
        source.write_text("".join(f"number {i} stands here\n" for i in range(many)), encoding="utf-8")
        target.write_text("".join(f"die Zahl {i} steht hier\n" for i in range(many)), encoding="utf-8")
        order = Order(quick=True, source=source, target=target)
        STUDY.check(order)
        if many == 220:
            found = run(order)
            assert found.settings["pairs"] == "a.en to a.de"
            assert "reversing a sentence's words" in found.sentence
            assert found.numbers["same_words"][NONE]["right"] is None
    with pytest.raises(DataError, match=r"got 100 pairs; expected at least 200 pairs of lines; give a larger corpus"):
        run(order)


def test_texts_without_spaces_are_refused_before_anything_is_trained(tmp_path: Path):
    for side in ("zh", "ja"):
        (tmp_path / side).write_text("".join(f"第{i}行\n" for i in range(220)), encoding="utf-8")
    with pytest.raises(
        DataError, match=r"got no text that reads otherwise backwards; expected texts of words with spa"
    ):
        run(Order(quick=True, source=tmp_path / "zh", target=tmp_path / "ja"))
