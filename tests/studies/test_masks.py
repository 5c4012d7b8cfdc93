"""Masks: models without one, the laws that then fail, the ways to write a mask, the verdicts, the study in small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from regard.errors import DataError
from regard.studies import masks
from regard.studies.frame.arms import surprise
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import Difference
from regard.studies.masks import QUICK, STUDY, counts, leaks, run
from regard.studies.unmasked.drawn import drawn
from regard.studies.unmasked.halves import everything
from regard.studies.unmasked.models import AHEAD, ALL, CROSS, ENCODER, without
from regard.studies.unmasked.notations import notations
from regard.studies.unmasked.padding import changes, log_probability

SIZES = {"layers": 2, "d_model": 16, "d_ff": 16, "heads": 2, "dropout": 0.0}
TINY = replace(QUICK, model={**QUICK.model, "d_model": 8, "d_ff": 8}, padded=3, steps=2)
UP, DOWN, UNSURE = Difference(2.0, True, ""), Difference(-2.0, True, ""), Difference(-2.0, False, "")


def model_without(name: str, pairs):
    model = without(name, SIZES)(pairs.vocabulary)
    torch.manual_seed(4)
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.3)
    return model.double().eval()


def test_padding_is_invisible_with_all_masks_and_not_without_those_that_hide_it(few_pairs):
    moved = {
        name: changes(model_without(name, few_pairs), few_pairs, few_pairs.test, (0, 4, 16))
        for name in (ALL, AHEAD, ENCODER, CROSS)
    }
    for name, rows in moved.items():
        assert rows.shape == (3, len(few_pairs.test)), name
        assert (rows[0] == 0.0).all(), name
    for name in (ALL, AHEAD):
        assert abs(moved[name]).max() < 1e-12
    for name in (ENCODER, CROSS):
        assert (abs(moved[name][1:]) > 1e-4).all()


def test_a_change_of_log_probability_is_that_of_the_surprise(few_pairs):
    model = model_without(ALL, few_pairs)
    found = [-log_of(model, few_pairs, number) for number in range(len(few_pairs.test))]
    assert found == pytest.approx(surprise(model, few_pairs, few_pairs.test)[0].tolist(), rel=1e-5)


def log_of(model, pairs, number: int) -> float:
    source, target = ([*side[number], 0] for side in pairs.encoded(pairs.test))
    with torch.no_grad():
        return log_probability(model, source, target)


def test_without_the_look_ahead_mask_a_position_sees_its_future_under_teacher_forcing_alone(few_pairs):
    source = torch.tensor([[1, 2, 3, 0]])
    target = torch.tensor([[1, 2, 3]])
    changed = torch.tensor([[1, 2, 4]])
    for name, sees in ((ALL, False), (ENCODER, False), (CROSS, False), (AHEAD, True)):
        model = model_without(name, few_pairs)
        with torch.no_grad():
            difference = (model(source, target) - model(source, changed))[:, :2].abs().max()
        assert (float(difference) > 1e-6) is sees, name


@pytest.mark.parametrize("name", [ALL, ENCODER, CROSS])
def test_step_by_step_these_models_say_what_they_say_at_once(name: str, few_pairs):
    model = model_without(name, few_pairs)
    pad = few_pairs.vocabulary.source_pad
    source, target = torch.tensor([[1, 2, 0, pad], [2, 3, 1, 0]]), torch.tensor([[3, 1, 2], [2, 4, 1]])
    with torch.no_grad():
        whole = model.logits(model(source, target))
        state = model.start_decoding(source)
        steps = torch.stack([model.step(target[:, place], state) for place in range(3)], 1)
    real = slice(0, few_pairs.target.size - 1)  # the last id is never predicted
    assert torch.allclose(steps[..., real], whole[..., real], atol=1e-10)


def test_all_is_seen_where_no_look_ahead_mask_is():
    assert everything(torch.arange(3)[None], torch.arange(4)[None]).tolist() == [[[[True] * 4] * 3]]


def test_the_attentions_of_a_model_without_a_mask_can_be_recorded(few_pairs):
    for name in (ENCODER, CROSS):
        model = model_without(name, few_pairs)
        halves = model.encoder.self_attentions(), model.decoder.self_attentions(), model.decoder.cross_attentions()
        assert [len(one) for one in halves] == [2, 2, 2]


def test_added_infinities_are_our_mask_and_ones_for_hidden_its_negation():
    ours, infinite, billion, negated, wrong = notations(1)
    assert ours.difference == infinite.difference == negated.difference == 0.0
    assert billion.difference < 1e-7
    assert ours.leaked == infinite.leaked == billion.leaked == negated.leaked == 0.0
    assert wrong.leaked == pytest.approx(1.0)
    assert [one.blind_row for one in (ours, infinite, billion, negated)] == ["zeros", "NaN", "equal weights", "zeros"]
    assert wrong.blind_row == "weights as without a mask"


@pytest.mark.parametrize(
    ("loss", "bleu", "needed"),
    [(DOWN, DOWN, True), (DOWN, UNSURE, None), (UNSURE, DOWN, None), (UP, DOWN, False), (DOWN, UP, False)],
)
def test_the_look_ahead_mask_is_needed_where_loss_and_bleu_both_fall(loss, bleu, needed):
    assert leaks(loss, bleu) is needed


def test_a_padding_mask_is_needed_where_padding_changes_most_pairs_without_it_and_none_with_it():
    none, most, few = np.zeros(4), np.array([0.1, -0.2, 0.3, 0.0]), np.array([0.1, 0.0, 0.0, 0.0])
    assert counts(none, most) is True
    assert counts(none, few) is None
    assert counts(none, none) is False
    assert counts(few, most) is None


def test_the_masks_are_drawn_with_padding_in_the_shorter_sentence_alone(few_pairs):
    shorter, longer = drawn(few_pairs)
    blue = {}
    for picture in (shorter, longer):
        panels = [axes.images[0].get_array() for axes in picture.figure.axes[:3]]
        assert (np.asarray(panels[1]) <= np.tril(np.ones_like(panels[1]))).all()  # none looks ahead
        blue[picture.name] = [np.asarray(panel).all(0) for panel in (panels[0], panels[2])]
    assert all(column.all() for column in blue["masks-longer"])
    assert not any(column.all() for column in blue["masks-shorter"])


def test_the_study_in_small_tells_each_mask(monkeypatch, few_pairs, tmp_path: Path):
    monkeypatch.setattr(masks, "QUICK", TINY)
    monkeypatch.setattr(masks, "pairs_of", lambda order: few_pairs)
    found = run(Order(quick=True))
    assert list(found.numbers["trained"]) == [ALL, AHEAD, ENCODER, CROSS]
    assert len({one[0]["parameters"] for one in found.numbers["trained"].values()}) == 1
    padding = {name: rows[-1] for name, rows in found.numbers["padding"].items()}
    assert padding[ALL]["largest_change"] < 1e-9
    assert f"the encoder, by {padding[ENCODER]['mean_change']:.3g}" in found.sentence
    assert f"cross attention, by {padding[CROSS]['mean_change']:.3g}" in found.sentence
    needed = found.numbers["needed"]
    assert found.held is (False if False in needed.values() else None if None in needed.values() else True)
    write(STUDY, found, tmp_path / "out")
    assert (tmp_path / "out" / "masks-shorter.png").is_file()


def test_too_few_pairs_of_a_user_are_refused(tmp_path: Path):
    for side in ("en", "de"):
        (tmp_path / side).write_text("a b\n" * 20, encoding="utf-8")
    with pytest.raises(DataError, match=r"got 20 pairs; expected at least 200 pairs of lines; give a larger corpus"):
        run(Order(quick=True, source=tmp_path / "en", target=tmp_path / "de"))
