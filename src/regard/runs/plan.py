"""What the data and the clock decide where the recipe does not: steps, warm-up, learning rate, pauses."""

from __future__ import annotations

import copy
import re
import statistics
from typing import Any

from regard.errors import SettingError
from regard.runs.recipe import Recipe, label_smoothing, with_train
from regard.training.loop import Trainer
from regard.training.schedule import ENDING_AT_ZERO, paper_peak
from regard.training.settings import TrainSettings

LEAST_STEPS, EPOCHS = 1000, 20  # without steps, epochs or a budget
PAUSES = 12  # validations and checkpoints of a run
RESERVE = 0.15  # of a budget: checkpoints, the report, and other people on the machine
CALIBRATION_STEPS, WARM_UP_STEPS = 10, 2  # tried, and of these not counted: the first ones are slow
TRIAL = 0.1  # of a budget at most, for finding out how long a step takes
PAUSE_SHARE = 0.25  # of the time left, at most, for the pauses
FINE_TUNING = 0.1  # of that rate, for weights that have learnt already
HIGHEST_RATE = {"post": 1e-3, "pre": 2e-3}  # equation 3 with a short warm-up goes higher than training bears (LOG.md)


def parse_budget(text: str) -> float:
    """Seconds in ``90s``, ``20m``, ``1h30m`` or a plain number of seconds. Raises SettingError."""
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?", text.strip())
    seconds = (
        sum(int(part or 0) * unit for part, unit in zip(match.groups(), (3600, 60, 1), strict=True)) if match else 0
    )
    if seconds == 0:
        raise SettingError.because("budget", repr(text), "a time such as 90s, 20m or 1h30m", "write it so")
    return float(seconds)


def settle(recipe: Recipe, steps: int, pauses: int = PAUSES) -> Recipe:
    """The recipe with the number of steps and all that follows from it."""
    train = recipe.train
    warmup = train.warmup or max(1, min(4000, steps // 10))
    rate = train.learning_rate
    if rate is None:
        rate = paper_peak(recipe.model.d_model, warmup)
        rate = rate if train.schedule == "paper" else min(rate, HIGHEST_RATE[getattr(recipe.model, "norm", "post")])
        if recipe.init.checkpoint is not None and not recipe.init.lora_rank:
            rate *= FINE_TUNING
    average = train.average
    if average == "auto":
        average = "none" if train.schedule in ENDING_AT_ZERO else "last"
    save = train.save_every or max(1, steps // pauses)
    return with_train(
        recipe,
        steps=steps,
        warmup=warmup,
        learning_rate=rate,
        label_smoothing=label_smoothing(recipe),
        save_every=save,
        average=average,
        validate_every=train.validate_every or save,
    )


def count_steps(train: TrainSettings, batches_per_epoch: int) -> int:
    """The number of updates that the recipe asks for without a budget."""
    if train.steps is not None:
        return train.steps
    updates = max(1, batches_per_epoch // train.accumulate)
    return train.epochs * updates if train.epochs is not None else max(LEAST_STEPS, EPOCHS * updates)


def seconds_of_step(trainer: Trainer, budget: float) -> float:
    """How long a step takes: real steps are tried on a copy, whose results are thrown away."""
    trial: Any = copy.deepcopy(trainer)
    durations: list[float] = []
    for step in trial.steps(trainer.step + CALIBRATION_STEPS):
        durations.append(step.seconds)
        if len(durations) > WARM_UP_STEPS and sum(durations) > TRIAL * budget:
            break
    return statistics.mean(durations[WARM_UP_STEPS:])


def steps_within(seconds: float, step: float, pause: float) -> tuple[int, int]:
    """How many steps, and how many pauses among them, fit into ``seconds``, where one takes so many seconds."""
    free = seconds * (1.0 - RESERVE)
    pauses = max(1, min(PAUSES, int(PAUSE_SHARE * free / pause)))
    return max(1, int((free - pauses * pause) / step)), pauses
