"""When a run saves: a checkpoint that reached the disk, the old ones gone, and what to do where the disk is full."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from regard.errors import RunError, TrainingError
from regard.failpoints import reach
from regard.training.checkpoint import checkpoints_in, remove_checkpoint, save_checkpoint, step_of
from regard.training.loop import Trainer
from regard.training.settings import TrainSettings

TRIES, PAUSE = 3, 1.0  # before a run gives up, and seconds between them
_MIB = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Saver:
    """Saves a trainer into the ``folder`` of its checkpoints."""

    def __init__(self, folder: Path, trainer: Trainer, settings: TrainSettings) -> None:
        self.folder, self.trainer, self.settings = folder, trainer, settings
        self._kept = max(settings.keep_last, settings.average_count)

    def check_room(self) -> str | None:
        """A warning where the checkpoints that are to stay may not all find room.

        Raises RunError where not even two do: the newest is whole before the one before it goes.
        """
        one, free = self.trainer.checkpoint_bytes(), _free(self.folder)
        here = len(checkpoints_in(self.folder))
        least, most = max(0, 2 - here) * one, max(0, self._kept + 1 - here) * one
        if free < least:
            expected = f"room for two checkpoints of {_mib(one)}"
            action = "free some, or choose a folder on another disk"
            raise RunError.because(self.folder.parent, f"{_mib(free)} free on its disk", expected, action)
        if free < most:
            return f"the disk has {_mib(free)} left, and {self._kept + 1} checkpoints of {_mib(one)} need {_mib(most)}"
        return None

    def save(self, facts: Mapping[str, Any]) -> None:
        """Write a checkpoint. Raises TrainingError where the disk does not take it at the third try."""
        for left in reversed(range(TRIES)):
            try:
                save_checkpoint(self.folder, self.trainer, facts)
                reach("checkpoint saved")
                return
            except (OSError, SafetensorError) as error:
                if not left:
                    raise self._refused(error) from error
                time.sleep(PAUSE)

    def _refused(self, error: Exception) -> TrainingError:
        said = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        room = f" ({_mib(self.trainer.checkpoint_bytes())} needed, {_mib(_free(self.folder))} free)"
        saved = checkpoints_in(self.folder)
        last = f"that of step {step_of(saved[-1])} is still there; " if saved else ""
        full = not isinstance(error, OSError) or error.errno in _FULL
        action = f"{last}{'free some' if full else 'mend the disk'}, and go on with --resume"
        name = f"checkpoint of step {self.trainer.step}"
        return TrainingError.because(name, said + room, "a disk that takes it", action)

    def prune(self, best: Sequence[int]) -> None:
        """Keep the newest checkpoints, and those of the ``best`` steps, the best one first, if their mean is wanted."""
        settings = self.settings
        saved = checkpoints_in(self.folder)
        # A stop on request saves between the pauses: that one goes, or the mean of the last would depend on it.
        planned = [path for path in saved if step_of(path) % int(settings.save_every or 1) == 0 or path == saved[-1]]
        wanted = {path.name for path in planned[-self._kept :]}
        if settings.average == "best":
            names = {path.name for path in planned}
            there = [name for step in best if (name := f"step-{step}") in names]
            wanted |= set(there[: settings.average_count])
        for path in saved:
            if path.name not in wanted:
                remove_checkpoint(path)
                reach("checkpoint pruned")


def _free(folder: Path) -> int:
    """Bytes that the disk of a folder, which need not be there yet, has left."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def _mib(count: int) -> str:
    return f"{count / _MIB:,.1f} MiB"
