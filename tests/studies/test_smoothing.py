"""Label smoothing: the verdict in each direction, and the study in small."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regard.studies import smoothing
from regard.studies.frame.study import Order
from regard.studies.smoothing import QUICK, run

REFERENCES = [f"the {word} is very {word} today" for word in "abcdefghijklmnopqrst"]
WRONG = ["nothing at all here now"] * len(REFERENCES)
CALM, SURPRISED = [10.0] * len(REFERENCES), [20.0] * len(REFERENCES)


@pytest.mark.parametrize(
    ("without", "smoothed", "held"),
    [
        ((WRONG, CALM), (REFERENCES, SURPRISED), True),
        ((REFERENCES, CALM), (WRONG, SURPRISED), False),
        ((WRONG, SURPRISED), (REFERENCES, CALM), False),
        ((REFERENCES, CALM), (REFERENCES, CALM), None),
    ],
)
def test_the_claim_holds_only_where_bleu_rises_and_perplexity_too(
    monkeypatch, few_pairs, outcome, without, smoothed, held
):
    pairs = replace(few_pairs, test=[(text, text) for text in REFERENCES])
    measured = {"ε = 0": without, "ε = 0.1": smoothed, "ε = 0.4": smoothed}
    found = {name: [outcome(name, translations=texts, nats=nats)] for name, (texts, nats) in measured.items()}
    monkeypatch.setattr(smoothing, "pairs_of", lambda order: pairs)
    monkeypatch.setattr(smoothing, "try_arms", lambda *given: found)
    assert run(Order(quick=True)).held is held


def test_the_arms_differ_in_smoothing_alone(monkeypatch, few_pairs):
    monkeypatch.setattr(smoothing, "QUICK", replace(QUICK, model={**QUICK.model, "d_model": 16}, steps=2))
    monkeypatch.setattr(smoothing, "pairs_of", lambda order: few_pairs)
    found = run(Order(quick=True))
    assert list(found.numbers) == ["ε = 0", "ε = 0.1", "ε = 0.4"]
    assert len({numbers[0]["parameters"] for numbers in found.numbers.values()}) == 1
    assert len({numbers[0]["nats_per_token"] for numbers in found.numbers.values()}) == 3
    assert [row[0] for row in found.tables[0].rows] == list(found.numbers)
