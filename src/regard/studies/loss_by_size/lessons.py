"""One language model learns, and is measured on held-out text while it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from regard.data.tokenizers.tokenizer import Tokenizer
from regard.studies.frame.watch import Watch
from regard.studies.text_tasks.measures import Nats, next_token_nats
from regard.studies.text_tasks.texts import Ids
from regard.tasks.next_token import NextToken
from regard.training.loop import Feed, Trainer
from regard.training.schedule import Schedule
from regard.training.settings import TrainSettings


@dataclass(frozen=True)
class Lesson:
    """One size after learning from one seed: its surprise at the test, and what it was on the way, by tokens seen."""

    parameters: int
    test: Nats
    curve: Sequence[tuple[float, float]]


def taught(
    model: torch.nn.Module,
    feed: Feed,
    plan: TrainSettings,
    marks: int,
    asked: Ids,
    tokenizer: Tokenizer,
    watch: Watch,
) -> Lesson:
    """Train ``plan.steps`` updates; at ``marks`` of them, evenly spread over their logarithm, ask the test."""
    assert plan.steps is not None, "a study says how long"
    assert plan.learning_rate is not None, "and how fast"
    schedule = Schedule(plan.schedule, plan.learning_rate, max(1, plan.steps // 10), plan.steps)
    wanted = {round(one) for one in np.geomspace(max(1, plan.steps // 50), plan.steps, marks)}
    seen, curve = 0, []
    for step in Trainer(model, NextToken(), feed, schedule, plan).steps(plan.steps):
        seen += step.target_tokens
        watch.done(step.number)
        if step.number in wanted:
            curve.append((float(seen), next_token_nats(model, asked, tokenizer).per_token))
            model.train()
    parameters = sum(weight.numel() for name, weight in model.named_parameters() if ".embed." not in f".{name}")
    return Lesson(parameters, next_token_nats(model, asked, tokenizer), curve)
