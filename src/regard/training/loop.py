"""The training loop: a generator of steps. It neither saves, scores nor prints; its caller does, between steps.

Everything random is a pure function of (seed, step), and the order of the data of (seed, epoch), so that a run
that is stopped anywhere and restored goes on to the same bits.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from regard.errors import CheckpointError, SettingError, TrainingError
from regard.models.state import mismatches
from regard.tasks.loss import Losses
from regard.training.averaging import RunningAverage
from regard.training.memory import keep_pages
from regard.training.optimizer import grouped_by_rate, make_optimizer
from regard.training.precision import MasterWeights, choose_dtype
from regard.training.schedule import Schedule
from regard.training.settings import TrainSettings

DIVERGED = "lower train.learning_rate or lengthen train.warmup, and begin again; the last checkpoint is still there"


@runtime_checkable
class Counted(Protocol):
    """What the loop needs of a batch."""

    @property
    def target_tokens(self) -> int:
        """How many tokens, or labels, are predicted: what the loss is divided by."""


@runtime_checkable
class Task(Protocol):
    """What the loop needs of a task."""

    def losses(self, model: Any, batch: Any) -> Losses:
        """What the model loses on a batch, summed over its target tokens."""


@dataclass(frozen=True)
class Feed:
    """The data as the loop sees it: the batches of an epoch by number, and how to make one of them."""

    epoch: Callable[[int], Sequence[np.ndarray]]
    collate: Callable[[np.ndarray], Counted]


@dataclass(frozen=True)
class Step:
    """What one update of the weights did. Losses are in nats per target token."""

    number: int
    epoch: int
    loss: float
    plain_loss: float
    target_tokens: int
    gradient_norm: float
    learning_rate: float
    seconds: float


@dataclass
class Place:
    """The next batch to read: its epoch, and its number in it."""

    epoch: int = 0
    batch: int = 0


class Trainer:
    """A model under training. Iterate over ``steps(until)``; ``tensors`` and ``restore`` make it stop and go on."""

    def __init__(self, model: nn.Module, task: Task, feed: Feed, schedule: Schedule, settings: TrainSettings) -> None:
        self.model, self.task, self.feed = model, task, feed
        self.schedule, self.settings = schedule, settings
        self.device = find_device(settings.device)
        model.to(self.device)
        self.weights = MasterWeights(model, choose_dtype(settings.precision, self.device))
        apart = settings.optimizer == "muon"
        groups = grouped_by_rate(model, self.weights.parameters, settings.layer_decay, matrices_apart=apart)
        self.optimizer = make_optimizer(
            settings.optimizer,
            groups,
            betas=(settings.beta1, settings.beta2),
            epsilon=settings.epsilon,
            weight_decay=settings.weight_decay,
        )
        running = settings.average == "running"
        self.average = RunningAverage(self.weights.tensors(), settings.average_decay) if running else None
        self.step, self.place = 0, Place()

    def steps(self, until: int) -> Iterator[Step]:
        """Update the weights until update number ``until`` is done, yielding after each one."""
        self.model.train()
        keep_pages()
        batches = self._batches()
        while self.step < until:
            yield self._update(batches)

    def _batches(self) -> Iterator[np.ndarray]:
        while True:
            rows = self.feed.epoch(self.place.epoch)
            while self.place.batch < len(rows):
                self.place.batch += 1
                yield rows[self.place.batch - 1]
            self.place = Place(self.place.epoch + 1)

    def _next(self, rows: Iterator[np.ndarray], number: int) -> Counted:
        """The next batch in which there is something to predict: noise may have left nothing in one."""
        first = self.place.epoch
        while self.place.epoch <= first + 1:
            batch = self.feed.collate(next(rows))
            if batch.target_tokens:
                return batch
        got, action = "an epoch of batches without anything to predict", "check the data and the noise"
        raise TrainingError.because(f"step {number}", got, "tokens or labels", action)

    def _update(self, rows: Iterator[np.ndarray]) -> Step:
        began = time.perf_counter()
        number = self.step + 1
        torch.manual_seed(seed_of_step(self.settings.seed, number))
        batches = [self._next(rows, number) for _ in range(self.settings.accumulate)]
        tokens = sum(batch.target_tokens for batch in batches)
        smoothed = plain = 0.0
        for batch in batches:
            losses = self.task.losses(self.model, moved(batch, self.device))
            (losses.smoothed / tokens).backward()
            self.weights.collect_gradients()
            smoothed, plain = smoothed + losses.smoothed.item(), plain + losses.plain.item()
        norm = self._clip()
        if not (math.isfinite(norm) and math.isfinite(smoothed)):
            raise _not_finite(number, smoothed / tokens, norm)
        rate = self.schedule.rate(number)
        self._apply(rate, number)
        seconds = time.perf_counter() - began
        self.step = number
        return Step(number, self.place.epoch, smoothed / tokens, plain / tokens, tokens, norm, rate, seconds)

    def _clip(self) -> float:
        """The norm of the gradient before it is cut down to ``clip`` (0: it is left alone)."""
        limit = self.settings.clip or math.inf
        return float(nn.utils.clip_grad_norm_(self.weights.parameters.values(), limit, foreach=True))

    def _apply(self, rate: float, number: int) -> None:
        self.optimizer.step(rate)
        self.optimizer.clear_gradients()
        self.weights.publish()
        if self.average is not None:
            self.average.update(self.weights.tensors(), number)

    def kept_weights(self) -> dict[str, Tensor]:
        """The float32 weights to validate and save, on the processor: the running average where there is one."""
        return _on_processor(self.average.weights if self.average is not None else self.weights.tensors())

    def tensors(self) -> dict[str, Tensor]:
        """Everything that must be restored for the next step to be the same, as named tensors."""
        state = {f"weights/{name}": weight for name, weight in self.weights.tensors().items()}
        state |= {f"optimizer/{key}": value for key, value in self.optimizer.tensors().items()}
        if self.average is not None:
            state |= {f"average/{name}": weight for name, weight in self.average.weights.items()}
        return _on_processor(state)

    def restore(self, tensors: dict[str, Tensor], step: int, place: Place) -> None:
        """Go back to where ``tensors`` were taken. Raises CheckpointError where they are another model's."""
        parts: dict[str, dict[str, Tensor]] = {"weights": {}, "optimizer": {}, "average": {}}
        for key, value in tensors.items():
            part, _, name = key.partition("/")
            parts[part][name] = value
        own = {"weights": self.weights.tensors(), "average": self.average.weights if self.average else {}}
        problems = [f"{part}/{line}" for part in own for line in mismatches(own[part], parts[part])]
        if problems:
            action = "resume with the checkpoint's own recipe"
            raise CheckpointError.because(
                "checkpoint", "; ".join(sorted(problems)[:20]), "this model's weights", action
            )
        self.optimizer.restore(parts["optimizer"])
        for part, weights in own.items():
            for name, weight in weights.items():
                weight.copy_(parts[part][name])
        self.weights.publish()
        self.step, self.place = step, place


def find_device(name: str) -> torch.device:
    """The device of that name. Raises SettingError where it is a GPU and torch sees none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingError.because("train.device", name, "a GPU that torch sees", "use train.device=cpu")
    return torch.device(name)


def moved(batch: Any, device: torch.device) -> Any:
    """The batch with its tensors on the device; itself where they are there."""
    if device.type == "cpu":
        return batch
    parts = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    on_device = {name: part.to(device) for name, part in parts.items() if isinstance(part, Tensor)}
    return dataclasses.replace(batch, **on_device)


def _on_processor(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.cpu() for name, tensor in tensors.items()}


def seed_of_step(seed: int, step: int) -> int:
    """A 63-bit seed that differs for every (seed, step)."""
    digest = hashlib.blake2b(f"{seed}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _not_finite(step: int, loss: float, norm: float) -> Exception:
    got = f"loss {loss:.4g} and gradient norm {norm:.4g}"
    return TrainingError.because(f"step {step}", got, "finite numbers", DIVERGED)
