"""What the data and the clock decide: size, steps, warm-up and rate."""

from __future__ import annotations

import math
import statistics

import pytest
import torch

from regard.data.batching import Batch
from regard.errors import SettingError
from regard.families import transformer
from regard.models.vocabulary import joint_vocabulary
from regard.runs import plan
from regard.runs.plan import count_steps, parse_budget, seconds_of_step, settle, steps_within
from regard.runs.recipe import recipe_from
from regard.tasks.translation import Translation
from regard.training.loop import Feed, Trainer
from regard.training.schedule import Schedule
from regard.training.settings import TrainSettings


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("20m", 1200),
        ("1h30m", 5400),
        ("1h", 3600),
        ("2h5s", 7205),
        ("1h1m1s", 3661),
        ("45", 45),
        (" 5m ", 300),
        ("1m30", 90),
    ],
)
def test_a_time_is_read(text, seconds):
    assert parse_budget(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "0h0m", "-5m", "1.5h", "5 m", "m", "1d", "30m1h", "1e3", "nan", "5m5m"]
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(SettingError, match="expected a time such as 90s, 20m or 1h30m; write it so") as caught:
        parse_budget(text)
    assert str(caught.value).startswith(f"budget: got {text!r}")


@pytest.mark.parametrize(
    ("given", "batches", "steps"),
    [
        ({"steps": 7}, 100, 7),
        ({"steps": 7, "epochs": 3}, 100, 7),
        ({"epochs": 3}, 100, 300),
        ({"epochs": 3, "accumulate": 4}, 100, 75),
        ({"epochs": 3, "accumulate": 200}, 100, 3),
        ({}, 100, 2000),
        ({}, 10, 1000),
        ({"accumulate": 10}, 1000, 2000),
    ],
)
def test_the_number_of_steps_without_a_budget(given, batches, steps):
    assert count_steps(TrainSettings(**given), batches) == steps


def test_settling_fixes_everything_that_a_resume_must_know():
    recipe = settle(recipe_from({}, size="base"), 120_000)
    train = recipe.train
    assert (train.steps, train.warmup) == (120_000, 4000)
    assert train.save_every == train.validate_every == 10_000
    assert settle(recipe, 120_000) == recipe


@pytest.mark.parametrize("steps", [1, 2, 5, 9, 11, 13, 1000])
def test_a_run_of_any_length_has_pauses_and_a_warm_up_that_fit_into_it(steps):
    train = settle(recipe_from({}, size="tiny"), steps).train
    assert 1 <= train.warmup <= max(1, steps // 10)
    assert 1 <= train.save_every <= steps
    assert 1 <= train.validate_every <= steps


def test_what_the_recipe_says_stands():
    given = {"warmup": 17, "learning_rate": 0.3, "save_every": 5, "validate_every": 50}
    train = settle(recipe_from({"train": given}, size="tiny"), 1000).train
    assert {key: getattr(train, key) for key in given} == given
    assert settle(recipe_from({"train": {"save_every": 5}}, size="tiny"), 1000).train.validate_every == 5


def test_the_paper_s_schedule_has_the_paper_s_peak():
    """Equation 3 for the base model: 512^−½ · 4000^−½ = 7.0e-4."""
    train = settle(recipe_from({"train": {"schedule": "paper"}}, size="base"), 100_000).train
    assert train.learning_rate == pytest.approx(1 / math.sqrt(512 * 4000))
    short = settle(recipe_from({"train": {"schedule": "paper"}}, size="base"), 10).train
    assert short.learning_rate == pytest.approx(1 / math.sqrt(512))


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_other_schedules_rise_no_higher_than_training_bears(norm):
    for steps in (10, 100, 10_000, 1_000_000):
        recipe = settle(recipe_from({"model": {"norm": norm}}, size="small"), steps)
        equation = 1 / math.sqrt(recipe.model.d_model * recipe.train.warmup)
        assert recipe.train.learning_rate == pytest.approx(min(equation, plan.HIGHEST_RATE[norm]))


# The clock -----------------------------------------------------------------------------------------------------------


def make_trainer() -> Trainer:
    vocabulary = joint_vocabulary(9)
    torch.manual_seed(0)
    model = transformer.build(transformer.TOY, vocabulary)
    ids = torch.tensor([[2, 3, 4, 0], [5, 6, 0, 8]])
    feed = Feed(epoch=lambda number: [torch.arange(2).numpy()] * 3, collate=lambda rows: Batch(ids, ids, 7, 7))
    settings = TrainSettings(precision="float32", average="running", steps=100)
    return Trainer(model, Translation(0.1), feed, Schedule("constant", 0.01, 1, 100), settings)


def tensors(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.tensors().items()}


def test_the_trial_leaves_the_trainer_untouched():
    """The same bits afterwards, and the same bits after going on, as without a trial."""
    tried, plain = make_trainer(), make_trainer()
    for trainer in (tried, plain):
        list(trainer.steps(3))
    before = tensors(tried)
    seconds_of_step(tried, 3600.0)
    after = tensors(tried)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert (tried.step, tried.place) == (plain.step, plain.place)
    for trainer in (tried, plain):
        list(trainer.steps(6))
    ours, theirs = tensors(tried), tensors(plain)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(("budget", "tried"), [(1000.0, 10), (20.0, 4), (4.0, 3), (0.0, 3)])
def test_a_step_is_timed_without_the_first_ones_and_in_a_tenth_of_the_budget(monkeypatch, budget, tried):
    """By a clock of our own: the first two steps take 0.9 s, the third 0.2 s, the fourth 0.3 s, the others 0.5 s."""
    durations = [0.9, 0.9, 0.2, 0.3, *[0.5] * 20]
    moments = [0.0]
    for seconds in durations:
        moments += [moments[-1], moments[-1] + seconds]
    clock = iter(moments[1:])
    monkeypatch.setattr("regard.training.loop.time.perf_counter", lambda: next(clock))
    assert seconds_of_step(make_trainer(), budget) == pytest.approx(statistics.mean(durations[2:tried]))


@pytest.mark.parametrize(
    ("seconds", "step", "pause", "expected"),
    [
        (100.0, 0.1, 0.5, (790, 12)),  # 85 s are free; 12 pauses take 6 of them, 790 steps 79
        (100.0, 0.1, 5.0, (650, 4)),  # a quarter of 85 s is 4 pauses of 5 s; 65 s are left
        (100.0, 0.1, 1000.0, (1, 1)),
        (0.0, 0.1, 0.1, (1, 1)),
        (-5.0, 0.1, 0.1, (1, 1)),
    ],
)
def test_the_steps_and_pauses_that_fit_follow_by_hand(seconds, step, pause, expected):
    steps, pauses = steps_within(seconds, step, pause)
    assert pauses == expected[1]
    assert steps == pytest.approx(expected[0], abs=1)
    if steps > 1:
        assert steps * step + pauses * pause <= seconds


def test_fewer_pauses_are_farther_apart():
    recipe = recipe_from({}, size="tiny")
    assert settle(recipe, 1000, pauses=4).train.save_every == 250
    assert settle(recipe, 1000, pauses=4).train.validate_every == 250
