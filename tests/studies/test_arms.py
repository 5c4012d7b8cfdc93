"""Arms are trained and measured on pairs in memory as on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from regard.data.batching import batch_of
from regard.errors import DataError, SettingError, TrainingError
from regard.evaluation.perplexity import perplexity as standard_perplexity
from regard.evaluation.translation import corpus_bleu
from regard.studies.frame.arms import Arm, learn, learn_wholly, of_family, surprise, translate, try_arm, try_arms
from regard.studies.frame.pairs import joined, pairs_of
from regard.studies.frame.plan import plan_of
from regard.studies.frame.study import Order
from regard.studies.frame.summary import curve_panel, outcome_numbers, outcome_table, perplexity, told
from regard.tasks.translation import Translation
from regard.training.settings import TrainSettings

MODEL = {"layers": 1, "d_model": 16, "d_ff": 32, "heads": 2, "dropout": 0.0, "norm": "pre"}
PLAN = TrainSettings(steps=6, batch_tokens=128, learning_rate=3e-3, warmup=2, label_smoothing=0.1)


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, int]] = []
        self.steps: list[int] = []

    def begin(self, part: str, total: int) -> None:
        self.parts.append((part, total))

    def done(self, steps: int) -> None:
        self.steps.append(steps)


@pytest.fixture
def arm() -> Arm:
    return Arm("small", of_family("transformer", MODEL), PLAN)


def test_an_arm_learns_what_it_is_taught(few_pairs):
    plan = replace(PLAN, steps=150, warmup=20)
    found = try_arm(Arm("small", of_family("transformer", {**MODEL, "d_model": 32}), plan), few_pairs, 1)
    assert found.broke is None
    assert len(found.curve) == 150
    assert found.curve[-1].plain_loss < 0.5 * found.curve[0].plain_loss
    assert found.bleu == corpus_bleu(found.translations, few_pairs.references)
    assert found.bleu > 20


def test_surprise_is_that_of_the_standard_measure(few_pairs, arm):
    found = try_arm(arm, few_pairs, 1)
    ids = few_pairs.vocabulary
    sides = few_pairs.encoded(few_pairs.test)
    batch = batch_of(*sides, (ids.source_pad, ids.pad), ids.eos)
    expected = standard_perplexity(found.model, [batch])
    assert found.nats_per_token == pytest.approx(expected.nats_per_token, abs=1e-5)
    assert int(found.tokens.sum()) == expected.tokens


def test_surprise_stands_beside_its_own_sentence(few_pairs, arm):
    model = try_arm(arm, few_pairs, 1).model
    backwards = list(reversed(few_pairs.test))
    nats, tokens = surprise(model, few_pairs, few_pairs.test)
    there, counted = surprise(model, few_pairs, backwards)
    np.testing.assert_allclose(nats, there[::-1], atol=1e-4)
    assert tokens.tolist() == counted[::-1].tolist()


def test_the_same_seed_gives_the_same_outcome_and_another_one_another(few_pairs, arm):
    once, again, other = (try_arm(arm, few_pairs, seed) for seed in (1, 1, 2))
    assert once.nats.tolist() == again.nats.tolist()
    assert once.translations == again.translations
    assert once.nats.tolist() != other.nats.tolist()


def test_every_arm_is_tried_from_every_seed(few_pairs, arm):
    watch = Told()
    twin = replace(arm, name="twin")
    found = try_arms([arm, twin], few_pairs, (3, 4), watch)
    assert {name: [one.seed for one in group] for name, group in found.items()} == {"small": [3, 4], "twin": [3, 4]}
    assert found["small"][1].nats.tolist() == found["twin"][1].nats.tolist()  # the same data in the same order
    assert next(part for part, _ in watch.parts) == "small (1 of 2), seed 3"
    assert watch.steps == [1, 2, 3, 4, 5, 6] * 4


def test_training_that_breaks_off_is_told_and_measured(few_pairs, arm):
    build = arm.build

    def broken(vocabulary):
        model = build(vocabulary)
        with torch.no_grad():
            model.encoder.blocks[0].feed_forward.inner.weight.fill_(torch.inf)
        return model

    curve, broke = learn(broken(few_pairs.vocabulary), Translation(0.1), few_pairs.feed(128, 1), PLAN)
    assert curve == []
    assert broke.startswith("step 4: got loss nan and gradient norm nan, the 4th in a row")
    with pytest.raises(TrainingError, match=r"^step 4: got loss"):
        learn_wholly(broken(few_pairs.vocabulary), Translation(0.1), few_pairs.feed(128, 1), PLAN)


def test_beams_are_a_setting(few_pairs, arm):
    model = try_arm(arm, few_pairs, 1).model
    assert len(translate(model, few_pairs, few_pairs.sources, beam=2)) == len(few_pairs.test)


def test_a_setting_that_a_family_has_not_is_refused():
    with pytest.raises(SettingError, match=r"model\.head: .*heads"):
        of_family("transformer", {"head": 2})


def test_built_in_pairs_are_held_out(tmp_path: Path):
    pairs = pairs_of(Order())
    assert (len(pairs.train), len(pairs.test)) == (10_000, 500)
    assert set(pairs.train).isdisjoint(pairs.test)


def test_pairs_of_a_user_s_files_are_split_without_overlap(tmp_path: Path):
    lines = [f"line {number % 280} of many" for number in range(300)]
    (tmp_path / "a").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "b").write_text("\n".join(line.upper() for line in lines), encoding="utf-8")
    pairs = pairs_of(Order(source=tmp_path / "a", target=tmp_path / "b"))
    assert set(pairs.train).isdisjoint(pairs.test)
    assert len(set(pairs.train)) + len(pairs.test) == 280
    assert all(target == source.upper() for source, target in pairs.test)


def test_too_few_pairs_are_refused(tmp_path: Path):
    for name in "ab":
        (tmp_path / name).write_text("one\n" * 30, encoding="utf-8")
    with pytest.raises(DataError, match=r"got 30 pairs; expected at least 200 pairs of lines; give a larger corpus"):
        pairs_of(Order(source=tmp_path / "a", target=tmp_path / "b"))


def test_joined_texts_are_pairs_in_a_row_on_both_sides():
    pairs = [(f"s{i}", f"t{i}") for i in range(9)]
    texts = joined(pairs, (2, 3), many=40)
    assert len(texts) == 40
    assert {len(source.split()) for source, _ in texts} == {2, 3}
    assert all(target == source.replace("s", "t") for source, target in texts)
    assert joined(pairs, (2, 3), many=40) == texts
    assert joined(pairs, (2, 3), seed=2, many=40) != texts


def test_the_table_names_what_broke_and_compares_with_the_first(outcome):
    references = ["a b c d", "e f g h"]
    outcomes = {"one": [outcome(bleu=10.0)], "two": [outcome(broke="step 3", bleu=20.0)]}
    rows = outcome_table("T", outcomes, references).rows
    assert rows[0][0] == "one"
    assert rows[0][-1] == ""
    assert rows[1][0] == "two (training broke off: 1 of 1)"
    assert "BLEU" in rows[1][-1]
    assert rows[0][3] == f"{np.exp(1.5):.2f}"  # 30 nats over 20 tokens
    assert outcome_numbers(outcomes)["two"][0]["broke"] == "step 3"


def test_perplexity_beyond_a_float_is_infinite(outcome):
    assert perplexity(outcome(nats=[1e5])) == np.inf


def test_curves_show_the_plain_loss(outcome):
    line = curve_panel({"one": [outcome()]}).lines["one"]
    assert [(amount, one.value) for amount, one in line] == [(1, 2.0), (2, 1.5)]  # 2/1, then the mean of 2 and 1


def test_settings_are_told_as_plain_values():
    found = told(Order(quick=True, seed=4, repeats=2), PLAN, model={"a": 1, "b": 2})
    assert (found["quick"], found["seeds"], found["model"]) == (True, "4, 5", "a 1, b 2")
    nested = told(Order(), PLAN, arms={"one": {"widths": [8, 16], "rate": 0.5}, "other": {}}, sizes=((1, 2), (3,)))
    assert (nested["arms"], nested["sizes"]) == ("one (widths (8, 16), rate 0.5), other ()", "(1, 2), (3)")


@pytest.mark.parametrize(("order", "seeds"), [({}, 3), ({"quick": True}, 1), ({"repeats": 5}, 5)])
def test_an_order_has_as_many_seeds_as_asked_for(order, seeds):
    assert Order(seed=7, **order).seeds == tuple(range(7, 7 + seeds))


def test_a_plan_has_what_the_study_says_and_all_else_as_in_any_training():
    @dataclass(frozen=True)
    class Own:
        steps: int = 7
        batch_tokens: int = 300
        learning_rate: float = 0.25
        other: str = "of the study alone"

    assert plan_of(Own()) == TrainSettings(steps=7, batch_tokens=300, learning_rate=0.25, label_smoothing=0.0)
    assert plan_of(Own(), 0.2).label_smoothing == 0.2
