"""The bottleneck: the verdict in every direction, arms of one size, and the study in small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from regard.errors import DataError
from regard.models.vocabulary import own_vocabulary
from regard.studies import bottleneck
from regard.studies.bottleneck import QUICK, run, verdict
from regard.studies.by_length.models import MODELS, SMALL, WITH, WITHOUT
from regard.studies.frame.arms import of_family
from regard.studies.frame.page import write
from regard.studies.frame.study import Order
from regard.studies.frame.verdict import Difference

MORE, LESS, SAME = Difference(5.0, True, ""), Difference(-5.0, True, ""), Difference(5.0, False, "")
TINY = {
    WITHOUT: ("rnn", {"cell": "lstm", "attention": "none", "bidirectional": False, "d_embedding": 8, "d_model": 8}),
    WITH: ("rnn", {"cell": "lstm", "attention": "dot", "bidirectional": False, "d_embedding": 8, "d_model": 8}),
    "Transformer": ("transformer", {"layers": 1, "d_model": 8, "d_ff": 8, "heads": 2}),
}


@pytest.mark.parametrize(
    ("more", "short", "held"),
    [(MORE, 40.0, True), (SAME, 40.0, None), (LESS, 40.0, False), (MORE, 5.0, None), (LESS, 5.0, None)],
)
def test_the_claim_holds_where_the_model_without_attention_loses_more_and_both_have_something_to_lose(
    more, short, held
):
    assert verdict(more, short) is held


@pytest.mark.parametrize(("models", "size"), [(MODELS, 6000), (SMALL, 613)])
def test_the_two_that_are_judged_differ_in_attention_alone_and_hardly_in_size(models, size):
    (family, without), (same, with_it) = models[WITHOUT], models[WITH]
    assert family == same
    assert {key for key in without if without[key] != with_it[key]} == {"attention"}
    assert without.keys() == with_it.keys()
    vocabulary = own_vocabulary(size, size, shared=False)
    small, large = (of_family("rnn", one)(vocabulary) for one in (without, with_it))
    added = sum(w.numel() for w in large.parameters()) / sum(w.numel() for w in small.parameters())
    assert 1.0 < added < 1.05


@pytest.fixture
def translated(monkeypatch, few_pairs, outcome):
    """A study whose models translated so many of the 20 short texts and of the 20 long ones right, and the rest not."""
    texts = [(f"{n}", f"the {word} number {n} is here") for n in range(10, 30) for word in ("first", "other")]
    short, long = texts[:20], [(" ".join([source] * 9), target) for source, target in texts[20:]]
    pairs = replace(few_pairs, test=short + long)

    def made(**right: tuple[int, int]):
        def learnt(arms, pairs, *given):
            found = {}
            for arm in arms:
                counts = right["with_it" if arm.name == WITH else "without"]
                texts = [
                    reference if place % 20 < counts[place // 20] else "nothing of this was ever asked"
                    for place, reference in enumerate(pairs.references)
                ]
                found[arm.name] = [outcome(arm.name, translations=texts, nats=[1.0] * 40)]
            return found

        quick = replace(QUICK, models={name: TINY[name] for name in (WITHOUT, WITH)}, buckets=2)
        monkeypatch.setattr(bottleneck, "QUICK", quick)
        monkeypatch.setattr(bottleneck, "pairs_of", lambda order: pairs)
        monkeypatch.setattr(bottleneck, "try_arms", learnt)
        return run(Order(quick=True, source=Path("a"), target=Path("b")))

    return made


@pytest.mark.parametrize(
    ("without", "with_it", "held"),
    [
        ((20, 6), (20, 20), True),
        ((20, 20), (20, 6), False),
        ((12, 6), (20, 14), None),  # as much is lost
        ((2, 0), (20, 20), None),  # there was nothing to lose
        ((20, 6), (2, 2), None),
    ],
)
def test_the_study_judges_translations_by_what_each_of_the_two_loses_with_length(translated, without, with_it, held):
    found = translated(without=without, with_it=with_it)
    assert found.held is held


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
    assert found.numbers["falls_more"][WITH]["value"] == pytest.approx(fall[0] - fall[1])
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
