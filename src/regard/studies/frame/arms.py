"""The arms of an experiment: models that differ in one thing, trained alike on the same pairs, and measured alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from regard import families
from regard.config import build as build_settings
from regard.data.batching import filled
from regard.decoding.settings import DecodingSettings
from regard.decoding.translator import Translator
from regard.errors import TrainingError
from regard.evaluation.translation import corpus_bleu
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import Vocabulary
from regard.studies.frame.pairs import Pair, SentencePairs
from regard.studies.frame.watch import SILENT, Watch
from regard.tasks.text_to_text import shift_right
from regard.tasks.translation import Translation
from regard.training.loop import Step, Task, Trainer
from regard.training.schedule import Schedule
from regard.training.settings import TrainSettings

Build = Callable[[Vocabulary], Any]
GREEDY = DecodingSettings(beam=1, max_extra=12, threads=0)
ROWS = 64  # test pairs whose surprise is computed at once


@dataclass(frozen=True)
class Arm:
    """One model of the experiment: how it is built, and how it is trained."""

    name: str
    build: Build
    plan: TrainSettings


@dataclass(frozen=True)
class Outcome:
    """An arm after training from one seed.

    ``curve`` has every step, in nats per token. ``translations`` of the test are greedy; ``nats`` [test pairs] are
    what each reference surprised the model by, ``tokens`` their lengths with ``</s>``. ``broke``: why training ended
    before its time; the numbers are then those of the last good weights.
    """

    arm: str
    seed: int
    model: Any
    curve: Sequence[Step]
    translations: Sequence[str]
    bleu: float
    nats: np.ndarray
    tokens: np.ndarray
    broke: str | None = None

    @property
    def nats_per_token(self) -> float:
        """On the test's references; e to this power is the perplexity."""
        return float(self.nats.sum() / self.tokens.sum())

    @property
    def parameters(self) -> int:
        """Trained numbers, a shared matrix counted once."""
        return sum(weight.numel() for weight in self.model.parameters())

    @property
    def seconds(self) -> float:
        """Of training."""
        return sum(step.seconds for step in self.curve)


def of_family(family: str, settings: Mapping[str, Any]) -> Build:
    """Models of a family with these settings, as a recipe's ``[model]`` would have them."""
    module = families.get(family)
    config = build_settings(module.Config, settings, "model.")
    return lambda vocabulary: module.build(config, vocabulary)


def learn(
    model: Any, task: Task, feed: Any, plan: TrainSettings, watch: Watch = SILENT
) -> tuple[list[Step], str | None]:
    """Train ``plan.steps`` steps: the curve, and why it broke off, if it did. ``plan.learning_rate`` must be given."""
    assert plan.steps is not None, "a study says how long"
    assert plan.learning_rate is not None, "and how fast"
    schedule = Schedule(plan.schedule, plan.learning_rate, plan.warmup or max(1, plan.steps // 10), plan.steps)
    curve: list[Step] = []
    try:
        for step in Trainer(model, task, feed, schedule, plan).steps(plan.steps):
            curve += [] if step.skipped else [step]
            watch.done(step.number)
    except TrainingError as error:
        return curve, str(error)
    return curve, None


def learn_wholly(model: Any, task: Task, feed: Any, plan: TrainSettings, watch: Watch = SILENT) -> None:
    """``learn``, for numbers that mean nothing of a model half trained. Raises TrainingError where it breaks off."""
    _, broke = learn(model, task, feed, plan, watch)
    if broke is not None:
        raise TrainingError(broke)


def try_arms(
    arms: Sequence[Arm], pairs: SentencePairs, seeds: Sequence[int], watch: Watch = SILENT
) -> dict[str, list[Outcome]]:
    """Every arm from every seed on the same pairs in the same order: its outcomes by name, one a seed."""
    return {
        arm.name: [
            try_arm(arm, pairs, seed, watch, f"{arm.name} ({number + 1} of {len(arms)}), seed {seed}") for seed in seeds
        ]
        for number, arm in enumerate(arms)
    }


def try_arm(arm: Arm, pairs: SentencePairs, seed: int, watch: Watch = SILENT, told: str = "") -> Outcome:
    """Build, train and measure one arm from one seed. Products are in float32: the same numbers on every processor."""
    torch.manual_seed(seed)
    model = arm.build(pairs.vocabulary)
    plan = replace(arm.plan, seed=seed, precision="float32")
    watch.begin(told or arm.name, plan.steps or 0)
    smoothing = 0.0 if plan.label_smoothing is None else plan.label_smoothing
    curve, broke = learn(model, Translation(smoothing), pairs.feed(plan.batch_tokens, seed), plan, watch)
    found = translate(model, pairs, pairs.sources)
    nats, tokens = surprise(model, pairs, pairs.test)
    bleu = corpus_bleu(found, pairs.references)
    return Outcome(arm.name, seed, model, curve, found, bleu, nats, tokens, broke)


def translate(model: Any, pairs: SentencePairs, sources: Sequence[str], **changes: Any) -> list[str]:
    """Greedy translations, unless ``changes`` of the decoding settings say otherwise."""
    translator = Translator(model, pairs.source, pairs.target)
    return [one.text for one in translator.translate(sources, replace(GREEDY, **changes))]


@torch.no_grad()
def surprise(model: EncoderDecoder, pairs: SentencePairs, test: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """−log P(reference | source) of each pair in nats, and the reference's tokens with ``</s>``; dropout is off."""
    model.eval()
    ids = pairs.vocabulary
    assert ids.start is not None, "an encoder–decoder has an id to start from"
    nats, tokens = np.zeros(len(test)), np.zeros(len(test), np.int64)
    sources, targets = pairs.encoded(test)
    for rows in _alike(targets):
        source = filled([sources[i] for i in rows], pairs.source.size - 1, ids.eos)
        target = filled([targets[i] for i in rows], pairs.target.size - 1, ids.eos)
        logs = model.logits(model(source, shift_right(target, ids.start))).float().log_softmax(-1)
        real = target.ne(pairs.target.size - 1)
        each = -logs.gather(2, target[:, :, None])[:, :, 0].masked_fill(~real, 0.0)
        nats[rows], tokens[rows] = each.double().sum(1).numpy(), real.sum(1).numpy()
    return nats, tokens


def _alike(texts: Sequence[Sequence[int]]) -> Iterable[list[int]]:
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    return (order[first : first + ROWS] for first in range(0, len(order), ROWS))
