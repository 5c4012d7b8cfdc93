"""The bottleneck: the verdict in every direction, arms of one size, and the study in small."""

from __future__ import annotations

from dataclasses import replace

import pytest

from regard.errors import DataError
from regard.models.vocabulary import own_vocabulary
from regard.studies import bottleneck
from regard.studies.bottleneck import QUICK, run, verdict
from regard.studies.by_length.models import MODELS, SMALL, WITHOUT
from regard.studies.frame.arms import of_family
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import Difference

MORE, LESS, SAME = Difference(5.0, True, ""), Difference(-5.0, True, ""), Difference(5.0, False, "")
TINY = {
    WITHOUT: ("rnn", {"cell": "lstm", "attention": "none", "d_embedding": 8, "d_model": 8}),
    "Transformer": ("transformer", {"layers": 1, "d_model": 8, "d_ff": 8, "heads": 2}),
}


@pytest.mark.parametrize(
    ("compared", "short", "held"),
    [
        ([MORE, MORE], 40.0, True),
        ([MORE, SAME], 40.0, None),
        ([MORE, LESS], 40.0, False),
        ([SAME, LESS], 40.0, False),
        ([MORE, MORE], 5.0, None),
        ([LESS, LESS], 5.0, None),
    ],
)
def test_the_claim_holds_where_every_arm_with_attention_loses_less_and_there_is_something_to_lose(
    compared, short, held
):
    assert verdict(compared, short) is held


@pytest.mark.parametrize(("models", "size"), [(MODELS, 6000), (SMALL, 613)])
def test_the_arms_have_about_as_many_parameters(models, size):
    vocabulary = own_vocabulary(size, size, shared=False)
    sizes = [
        sum(weight.numel() for weight in of_family(family, settings)(vocabulary).parameters())
        for family, settings in models.values()
    ]
    assert max(sizes) < 1.25 * min(sizes)


@pytest.fixture
def small(monkeypatch, few_pairs):
    quick = replace(QUICK, models=TINY, texts=3, tested=(1, 2, 3), trained=(1, 2), buckets=2, steps=2, batch_tokens=64)
    monkeypatch.setattr(bottleneck, "QUICK", quick)
    monkeypatch.setattr(bottleneck, "pairs_of", lambda order: few_pairs)


def test_the_verdict_is_of_lengths_that_were_trained_and_the_page_is_written(small, tmp_path):
    found = run(Order(quick=True))
    assert found.held is None
    tokens = found.numbers["tokens"]
    assert found.sentence.startswith(f"From {tokens[0]:.0f} tokens of source to {tokens[1]:.0f}, BLEU goes from ")
    assert {len(values) for values in found.numbers["bleu"].values()} == {3}
    fall = [values[0] - values[1] for values in found.numbers["bleu"].values()]
    assert found.numbers["falls_more"]["Transformer"]["value"] == pytest.approx(fall[0] - fall[1])
    write(bottleneck.STUDY, found, tmp_path)
    assert (tmp_path / "bottleneck.png").is_file()


def test_a_corpus_of_one_s_own_is_tested_by_its_lengths(small, monkeypatch, few_pairs, tmp_path):
    monkeypatch.setattr(bottleneck, "pairs_of", lambda order: replace(few_pairs, test=few_pairs.train[:20]))
    found = run(Order(quick=True, source=tmp_path, target=tmp_path))
    assert len(found.numbers["tokens"]) == 2
    assert found.numbers["tokens"][0] < found.numbers["tokens"][1]


def test_a_corpus_with_too_few_texts_is_refused(small, tmp_path):
    with pytest.raises(DataError, match=r"got 10 pairs to test with; expected at least 20"):
        run(Order(quick=True, source=tmp_path, target=tmp_path))
