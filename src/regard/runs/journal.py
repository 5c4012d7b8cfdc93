"""``metrics.jsonl``: the story of a run, an object a line, and the same as TensorBoard events where wanted."""

from __future__ import annotations

import json
import math
import os
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from regard.errors import CheckpointError, SettingError, TrainingError
from regard.failpoints import reach
from regard.training.loop import Step


class Journal:
    """Appends records. ``keep`` bytes of an older journal stay: what came after the last checkpoint goes."""

    def __init__(self, path: Path, keep: int, events: Path | None = None) -> None:
        self._path = path
        self._tensorboard = _event_writer(events) if events else None
        self._losses: list[float] = []
        self._tokens, self._seconds = 0, 0.0
        if path.exists():
            with path.open("r+b") as file:
                file.truncate(min(keep, path.stat().st_size))
        self._file = path.open("a", buffering=1, encoding="utf-8")  # whoever follows the file sees each line

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what a full disk did not take has been told already
            self._file.close()
        if self._tensorboard is not None:
            self._tensorboard.close()

    @property
    def memory(self) -> float:
        """The most memory that the process has held, in MiB."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (2**20 if sys.platform == "darwin" else 2**10)

    def step(self, step: Step, seconds: float, every: int) -> None:
        """Count a step in; each ``every`` steps, write the mean of them. One that was skipped has a line of its own."""
        if step.skipped:
            self.write({"step": step.number, "epoch": step.epoch, "skipped": True})
            return
        self._losses.append(step.loss)
        self._tokens, self._seconds = self._tokens + step.target_tokens, self._seconds + step.seconds
        if step.number % every:
            return
        self.write(
            {
                "step": step.number,
                "epoch": step.epoch,
                "seconds": round(seconds, 3),
                "loss": sum(self._losses) / len(self._losses),
                "learning_rate": step.learning_rate,
                "tokens_per_second": round(self._tokens / self._seconds, 1),
                "gradient_norm": step.gradient_norm,
                "memory_mib": round(self.memory, 1),
            }
        )
        self._losses, self._tokens, self._seconds = [], 0, 0.0

    def write(self, record: Mapping[str, Any]) -> None:
        """One line. A number that is infinite or none, which JSON has no word for, is left out.

        Raises TrainingError where the disk does not take it.
        """
        record = {key: value for key, value in record.items() if not isinstance(value, float) or math.isfinite(value)}
        try:
            self._file.write(json.dumps(record, allow_nan=False) + "\n")
        except OSError as error:
            raise self._refused(error) from error
        if self._tensorboard is not None:
            for key, value in record.items():
                if key not in ("step", "epoch"):
                    self._tensorboard.add_scalar(key, value, record["step"])

    def _refused(self, error: OSError) -> TrainingError:
        expected, action = "a disk that takes a line", "free some, and go on with --resume"
        return TrainingError.because(self._path, error.strerror, expected, action)

    def flush(self) -> int:
        """Bring everything to the disk; returns the file's size. Raises TrainingError where that fails."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._refused(error) from error
        reach("journal flushed")
        return self._path.stat().st_size


def read_journal(path: Path) -> list[dict[str, Any]]:
    """All records of a run. Raises CheckpointError with ``FILE:LINE`` where one is damaged."""
    return [_record(path, number, line) for number, line in enumerate(path.read_bytes().splitlines(), start=1)]


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        found = error
    if not isinstance(found, dict):
        action = "delete the line"
        raise CheckpointError.because(f"{path}:{number}", found, "an object a line", action)
    return found


def _event_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        action = "pip install 'regard[tensorboard]', or leave it off"
        raise SettingError.because("train.tensorboard", "true", "the tensorboard package", action) from error
    return SummaryWriter(str(folder / "tensorboard"))
