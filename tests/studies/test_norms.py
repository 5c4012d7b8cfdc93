"""Norms: the sheets against torch and by hand, the verdict in every direction, and the study in small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from regard.looking.norms import scaled
from regard.studies import norms
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import loss_difference
from regard.studies.norms import QUICK, run, verdict, widens


def test_each_sheet_is_what_its_name_says():
    texts = np.random.default_rng(1).normal(2, 3, size=(2, 3, 4))
    rows = texts.reshape(6, 4)
    found = {name: sheet.numbers for name, sheet in scaled(texts, 2).items()}
    tensor = torch.from_numpy(rows)
    assert found["As they are"] == pytest.approx(rows)
    by_hand = (rows - rows.min(0)) / (rows.max(0) - rows.min(0))
    assert found["Min–max scaling"] == pytest.approx(by_hand)
    standard = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-5)
    assert found["Standardisation = batch norm"] == pytest.approx(standard)
    assert found["Layer norm"] == pytest.approx(functional.layer_norm(tensor, (4,)).numpy())
    assert found["RMS norm"] == pytest.approx(functional.rms_norm(tensor, (4,), eps=1e-6).numpy())
    assert found["Group norm"] == pytest.approx(functional.group_norm(tensor, 2).numpy())


def test_the_frames_are_around_what_another_number_changes():
    texts = np.random.default_rng(2).normal(size=(2, 3, 4))
    nudged = texts.copy()
    nudged[0, 1, 2] += 0.5
    before, after = scaled(texts, 2), scaled(nudged, 2)
    for name, sheet in before.items():
        changed = np.argwhere(~np.isclose(sheet.numbers, after[name].numbers))
        tall, wide = changed.max(0) - changed.min(0) + 1
        if name != "Min–max scaling":  # changes a feature only where its least or greatest number does
            assert (tall, wide) == (sheet.together if sheet.together != (0, 0) else (1, 1)), name


LEVEL = np.linspace(20.0, 40.0, 20)  # nats of 20 texts of 10 tokens each
CHANCE = np.tile([-3.0, 3.0], 10)


@pytest.mark.parametrize(
    ("small", "large", "held"),
    [
        (LEVEL + 5, LEVEL, True),
        (LEVEL + 5, LEVEL + 2, True),
        (LEVEL + 5, LEVEL - 5, True),  # in large batches the better one, as it is known to be
        (LEVEL + 5, LEVEL + 5 + CHANCE, None),  # worse, but everywhere alike
        (LEVEL + 5, LEVEL + 8, False),  # worse most where batches are large
        (LEVEL - 5, LEVEL, False),
        (LEVEL - 5, LEVEL - 8, False),
        (LEVEL + CHANCE, LEVEL, None),
    ],
)
def test_the_claim_holds_where_batch_norm_is_worse_in_the_smallest_batches_and_by_more_than_in_the_largest(
    outcome, small, large, held
):
    sizes = [{"layer": [outcome(nats=LEVEL)], "batch": [outcome(nats=batch)]} for batch in (small, large)]
    gap = loss_difference(sizes[0]["layer"], sizes[0]["batch"])
    assert verdict(gap, widens(*sizes)) is held
    assert widens(*sizes).value == pytest.approx((small - large).mean() / 10)


def test_layer_norm_s_own_change_with_the_batches_is_taken_off(outcome):
    small = {"layer": [outcome(nats=LEVEL + 7)], "batch": [outcome(nats=LEVEL + 9)]}
    large = {"layer": [outcome(nats=LEVEL)], "batch": [outcome(nats=LEVEL + 1)]}
    assert widens(small, large).value == pytest.approx(0.1)


def test_the_study_in_small_compares_norms_that_saw_as_many_tokens(monkeypatch, few_pairs, tmp_path):
    tiny = replace(
        QUICK,
        model={**QUICK.model, "d_model": 16, "d_ff": 8},
        batches=(64, 128),
        tokens=128,
        varied=("layer", "batch"),
        test=2,
    )
    monkeypatch.setattr(norms, "QUICK", tiny)
    monkeypatch.setattr(norms, "KINDS", ("layer", "batch"))
    monkeypatch.setattr(norms, "pairs_of", lambda order: few_pairs)
    steps: list[int] = []

    def watched(arms, *given):
        steps.extend(arm.plan.steps * arm.plan.batch_tokens for arm in arms)
        return norms_try_arms(arms, *given)

    norms_try_arms = norms.try_arms
    monkeypatch.setattr(norms, "try_arms", watched)
    found = run(Order(quick=True))
    assert set(steps) == {128}
    gap = found.numbers["batch minus layer"]["64"]
    size = found.numbers["by batch size"]["64"]
    batch, layer = (size[kind][0]["nats_per_token"] for kind in ("batch", "layer"))
    assert gap["value"] == pytest.approx(batch - layer)
    assert f"64 tokens: {batch - layer:+.3f} nats per token" in found.sentence
    other = found.numbers["by batch size"]["128"]
    grows = batch - layer - (other["batch"][0]["nats_per_token"] - other["layer"][0]["nats_per_token"])
    assert found.numbers["smallest minus largest batches"]["value"] == pytest.approx(grows)
    write(norms.STUDY, found, tmp_path)
    assert {path.name for path in tmp_path.glob("*.png")} == {"norms.png", "sheets.png"}
