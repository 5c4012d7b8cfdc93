"""The pronoun study in small: intervals, the rule, the study from training to page, and a run of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from regard.data.builtin import sample
from regard.data.builtin.sample import Pair
from regard.errors import RunError, SettingError
from regard.evaluation.interval import Interval
from regard.studies import coreference
from regard.studies.coreference import FULL, QUICK, held
from regard.studies.frame.page import write
from regard.studies.frame.study import Findings, Order
from regard.studies.pronouns.answers import INTERVENTIONS, NEITHER, NOBODY, NOTHING, Asked
from regard.studies.pronouns.shown import ADJECTIVE, HEAD, TRANSLATED

TINY = replace(
    QUICK, model={**QUICK.model, "layers": 1, "d_model": 8, "d_ff": 8, "heads": 2}, steps=2, batch_tokens=64, test=30
)
SOME, NO, MAYBE = Interval(0.9, 0.8, 0.95), Interval(0.5, 0.45, 0.55), Interval(0.56, 0.48, 0.64)
HARDLY, LITTLE = Interval(0.57, 0.51, 0.63), Interval(0.55, 0.52, 0.58)  # both surely above chance


@dataclass
class Opened:
    """As much of a run as the study looks at."""

    module: Any
    source_tokenizer: Any = None
    target_tokenizer: Any = None


@pytest.fixture(scope="module")
def few() -> Iterator[dict[str, list[Pair]]]:
    """The built-in pairs, fewer of them, and drawn once."""
    whole = sample.splits()
    found = {"train": whole["train"][:400], "valid": whole["valid"][:12], "test": whole["test"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "splits", lambda: found)
        patch.setattr(coreference, "QUICK", TINY)
        patch.setattr(coreference, "FULL", replace(FULL, test=TINY.test))
        yield found


@pytest.fixture(scope="module")
def learnt(few: dict[str, list[Pair]]) -> tuple[Findings, Asked]:
    """The study, and the model that it trained."""
    kept: list[Asked] = []
    trained = coreference._trained

    def keep(*given: Any) -> Asked:
        kept.append(trained(*given))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coreference, "_trained", keep)
        return coreference.run(Order(quick=True)), kept[0]


@pytest.mark.parametrize(
    ("translated", "looked", "expected"),
    [(SOME, SOME, True), (SOME, NO, False), (NO, SOME, False), (SOME, MAYBE, None), (MAYBE, NO, False),
     (SOME, HARDLY, None), (SOME, LITTLE, False), (SOME, Interval(0.62, 0.56, 0.68), True)],
)  # fmt: skip
def test_both_must_surely_be_above_chance_and_far_enough_to_be_of_note(
    translated: Interval, looked: Interval, expected: bool | None
):
    assert held({TRANSLATED: translated, HEAD: looked, ADJECTIVE: SOME}) is expected
    assert held({TRANSLATED: translated, HEAD: looked, ADJECTIVE: NO}) is expected


def test_the_study_writes_its_page_and_the_sentence_agrees_with_its_numbers(
    few: dict[str, list[Pair]], learnt: tuple[Findings, Asked], tmp_path: Path
):
    found, _ = learnt
    write(coreference.STUDY, found, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").glob("*.png")}
    assert names == {"it.png", "adjective.png", "shares.png", "hidden.png"}
    numbers = found.numbers
    assert numbers["puzzles"] == sum(one.puzzle is not None for one in few["test"][:30])
    assert set(numbers["shares"]) == {TRANSLATED, HEAD, ADJECTIVE}
    assert set(numbers["hidden"]) == set(INTERVENTIONS)
    for one in numbers["shares"].values():
        shown = Interval(one["value"], one["low"], one["high"]).text()
        sure = "surely above" if one["low"] > 0.5 else "surely below" if one["high"] < 0.5 else "not surely other than"
        assert f"in {shown} %, {sure} chance" in found.sentence
    for name in (NOTHING, NEITHER, NOBODY):
        one = numbers["hidden"][name]
        assert Interval(one["value"], one["low"], one["high"]).text() in found.sentence


def test_a_run_is_looked_into_in_the_place_of_a_model_of_one_s_own(learnt: tuple[Findings, Asked], tmp_path: Path):
    found, asked = learnt
    opened = Opened(asked.model, asked.source, asked.target)
    again = coreference.run(Order(run=tmp_path / "mine", open=lambda folder: opened))
    assert again.settings == {"run": "mine", "seed of what is hidden": 1}
    assert again.numbers == found.numbers
    assert again.sentence == found.sentence


def test_a_run_without_an_encoder_that_attends_is_refused(few: dict[str, list[Pair]], tmp_path: Path):
    with pytest.raises(RunError, match=r"got a model of another kind; expected an encoder–decoder whose encoder has"):
        coreference.run(Order(run=tmp_path / "mine", open=lambda folder: Opened(None)))


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (
            Order(quick=True, run=Path("mine")),
            r"--quick: got it beside --run; expected it or --run, since .*; leave it",
        ),
        (Order(repeats=3, run=Path("mine")), r"--seeds: got 3 beside --run; expected it or --run, since a run is one"),
    ],
)
def test_what_means_nothing_of_a_run_is_refused_beside_it(order: Order, message: str):
    with pytest.raises(SettingError, match=message):
        coreference.run(order)


def test_a_corpus_is_refused_as_it_has_no_known_puzzles(tmp_path: Path):
    with pytest.raises(
        SettingError, match=r"--source: got one for the study coreference; expected --run; leave it out"
    ):
        coreference.STUDY.check(Order(source=tmp_path, target=tmp_path))
