"""The training loop: a generator of steps. It neither saves, scores nor prints; its caller does, between steps.

Everything random is a pure function of (seed, step, batch of the step), and the order of the data of (seed, epoch), so
that a run that is stopped anywhere and restored goes on to the same bits.
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
from regard.training.memory import is_out_of_memory, keep_pages
from regard.training.optimizer import grouped_by_rate, make_optimizer
from regard.training.precision import MasterWeights, choose_dtype
from regard.training.schedule import Schedule
from regard.training.settings import TrainSettings

SKIPPED = 3  # steps without finite numbers in a row that are passed over
SHOWN = 10  # rows of a batch that are named
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
    skipped: bool = False  # the loss or a gradient was no number, and the weights stayed as they were
    notice: str = ""  # what a user should know of it


@dataclass
class Place:
    """The next batch to read: its epoch, and its number in it."""

    epoch: int = 0
    batch: int = 0


@dataclass(frozen=True)
class Part:
    """A batch of a step: which rows of the data, what was made of them, and the chance that is left for the model."""

    rows: np.ndarray
    batch: Counted
    chance: Tensor

    def halves(self, collate: Callable[[np.ndarray], Counted]) -> list[Part]:
        """Two batches of half the rows each."""
        torch.set_rng_state(self.chance)
        return [Part(rows, collate(rows), torch.get_rng_state()) for rows in np.array_split(self.rows, 2) if len(rows)]


@dataclass(frozen=True)
class Sums:
    """The losses of a step in nats, summed over its target tokens."""

    smoothed: float
    plain: float
    tokens: int


class Trainer:
    """A model under training. Iterate over ``steps(until)``; ``tensors`` and ``restore`` make it stop and go on."""

    def __init__(self, model: nn.Module, task: Task, feed: Feed, schedule: Schedule, settings: TrainSettings) -> None:
        self.model, self.task, self.feed = model, task, feed
        self.schedule, self.settings = schedule, settings
        self.device = find_device(settings.device)
        model.to(self.device)
        self.weights = MasterWeights(model, choose_dtype(settings.precision, self.device))
        apart = settings.optimizer == "muon"
        groups = grouped_by_rate(model, self.weights.parameters, settings.rates, matrices_apart=apart)
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
        self.skipped = 0  # of the last steps, how many in a row were

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

    def _next(self, rows: Iterator[np.ndarray], number: int, place: int) -> Part:
        """The next batch in which there is something to predict: noise may have left nothing in one."""
        first = self.place.epoch
        torch.manual_seed(seed_of_step(self.settings.seed, number, place))
        while self.place.epoch <= first + 1:
            here = next(rows)
            batch = self.feed.collate(here)
            if batch.target_tokens:
                return Part(here, batch, torch.get_rng_state())
        got, action = "an epoch of batches without anything to predict", "check the data and the noise"
        raise TrainingError.because(f"step {number}", got, "tokens or labels", action)

    def _update(self, rows: Iterator[np.ndarray]) -> Step:
        began = time.perf_counter()
        number = self.step + 1
        statistics = self.weights.statistics()
        parts = [self._next(rows, number, place) for place in range(self.settings.accumulate)]
        sums, notice = self._gradients(parts, number, statistics)
        norm, rate = self._clip(), self.schedule.rate(number)
        skipped = not (math.isfinite(norm) and math.isfinite(sums.smoothed))
        if skipped:
            self.weights.put_statistics(statistics)
            notice = self._skip(parts, number, sums.smoothed / sums.tokens, norm)
        else:
            self.skipped = 0
            self._apply(rate, number)
        self.weights.clear_gradients()
        self.step = number
        seconds = time.perf_counter() - began
        loss, plain = sums.smoothed / sums.tokens, sums.plain / sums.tokens
        return Step(number, self.place.epoch, loss, plain, sums.tokens, norm, rate, seconds, skipped, notice)

    def _gradients(self, parts: list[Part], number: int, statistics: Mapping[str, Tensor]) -> tuple[Sums, str]:
        """The gradients of the mean loss; from the halves of each batch where memory does not do for the whole."""
        try:
            return self._backward(parts), ""
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            said = str(error)
        self.weights.clear_gradients()
        self.weights.put_statistics(statistics)
        halves = [half for part in parts for half in part.halves(self.feed.collate)]
        try:
            sums = self._backward(halves)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            action = f"lower train.batch_tokens to a quarter of {self.settings.batch_tokens}, and go on with --resume"
            raise TrainingError.because(f"step {number}", said, "memory for half a batch", action) from error
        return sums, f"step {number}: no memory for a batch of {_rows_of(parts)}; done in halves"

    def _backward(self, parts: Sequence[Part]) -> Sums:
        tokens = sum(part.batch.target_tokens for part in parts)
        smoothed = plain = 0.0
        for part in parts:
            torch.set_rng_state(part.chance)
            losses = self.task.losses(self.model, moved(part.batch, self.device))
            (losses.smoothed / tokens).backward()
            self.weights.collect_gradients()
            smoothed, plain = smoothed + losses.smoothed.item(), plain + losses.plain.item()
        return Sums(smoothed, plain, tokens)

    def _skip(self, parts: Sequence[Part], number: int, loss: float, norm: float) -> str:
        """Count a step that changes nothing. Raises TrainingError where there were too many in a row."""
        self.skipped += 1
        got = f"loss {loss:.4g} and gradient norm {norm:.4g}"
        where = f"epoch {self.place.epoch + 1}, batch {self.place.batch}, {_rows_of(parts)}"
        if self.skipped > SKIPPED:
            raise TrainingError.because(
                f"step {number}", f"{got}, the {self.skipped}th in a row ({where})", "finite numbers", DIVERGED
            )
        return f"step {number}: {got} ({where}): skipped, the weights stay"

    def _clip(self) -> float:
        """The norm of the gradient before it is cut down to ``clip`` (0: it is left alone)."""
        limit = self.settings.clip or math.inf
        return float(nn.utils.clip_grad_norm_(self.weights.parameters.values(), limit, foreach=True))

    def _apply(self, rate: float, number: int) -> None:
        self.optimizer.step(rate)
        self.weights.publish()
        if self.average is not None:
            self.average.update(self.weights.tensors(), number)

    def checkpoint_bytes(self) -> int:
        """What ``tensors`` holds once a step was made."""
        weights = sum(tensor.nbytes for tensor in self.weights.tensors().values())
        return weights * (1 if self.average is None else 2) + self.optimizer.bytes_in_all()

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

    def restore(self, tensors: dict[str, Tensor], step: int, place: Place, skipped: int = 0) -> None:
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
        self.step, self.place, self.skipped = step, place, skipped


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


def seed_of_step(seed: int, step: int, place: int = 0) -> int:
    """A 63-bit seed that differs for every (seed, step, place of a batch among those of the step)."""
    name = f"{seed}/{step}/{place}" if place else f"{seed}/{step}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little") >> 1


def _rows_of(parts: Sequence[Part]) -> str:
    """The examples of a step, as a message names them."""
    rows = [row for part in parts for row in np.ravel(part.rows).tolist()]
    shown = ", ".join(str(row) for row in rows[:SHOWN])
    return f"{len(rows)} rows of the prepared data: {shown}{' …' if len(rows) > SHOWN else ''}"
