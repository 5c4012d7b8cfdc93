"""Kill a training a thousand times: is a saved checkpoint ever lost, half read, or the end another one?

    python benchmarks/crash.py [--kills 1000] [--seed 1] [--only times moments calls]

A tiny run is trained once undisturbed. Then, in processes forked from this one, it is trained again and again:

times     killed by SIGKILL at random times, and resumed, up to five times a run, then let come to its end
moments   killed at each named moment of writing (regard/failpoints.py), the first time that it comes, and, from 100
          kills on, the third
calls     the n-th call that writes, syncs, renames or deletes fails as on a full disk, n = 1, 2, 3 …, once, or from
          then on; then resumed

After each death every checkpoint that goes by its name must be whole, and the newest at least as new as the last that
was acknowledged; a run that comes to its end must have the undisturbed run's ``model.safetensors``, byte for byte.
Exit code 1 where one of that is not so; what was found is said with the number that repeats it.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from regard import failpoints
from regard.config import merge, parse_overrides
from regard.data.builtin import sample
from regard.errors import RegardError
from regard.runs import finish as finishing
from regard.runs import saving
from regard.runs.train import train
from regard.runs.watcher import Watcher
from regard.training import checkpoint
from regard.training.checkpoint import step_of, whole_checkpoints

SETTINGS = (
    "model.layers=1 model.d_model=16 model.heads=2 model.d_ff=32 model.dropout=0.1 tokenizer.size=300 "
    "data.bleu_sentences=2 train.steps=12 train.save_every=2 train.validate_every=6 train.log_every=3 "
    "train.batch_tokens=256 train.learning_rate=0.01 train.precision=float32 train.threads=1 train.keep_last=2 "
    "train.average=last train.average_count=2 decode.beam=1 decode.max_extra=3"
).split()
KILLS_A_RUN = 5
PAIRS = {"train": 60, "valid": 6, "test": 1}
PARTS = ("times", "moments", "calls")
CALLS = ((os, ("fsync", "open")), (Path, ("rename", "replace", "mkdir", "write_text", "write_bytes", "unlink")))


@dataclass
class Death:
    """How a life ended, and which step it had acknowledged last."""

    how: str
    acknowledged: int
    moments: Counter[str] = field(default_factory=Counter)
    calls: int = 0


@dataclass
class Tally:
    """What was done and what was found."""

    deaths: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    problems: list[str] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)


class Onlooker(Watcher):
    """Tells the parent of every checkpoint that was acknowledged."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def saved(self, step: int) -> None:
        os.write(self.pipe, f"saved {step}\n".encode())


class Range:
    """Where runs live and die: a folder with the corpus, and the bytes that every run must end with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for split, pairs in sample.splits().items():
            for side in ("english", "german"):
                lines = "".join(f"{getattr(pair, side)}\n" for pair in pairs[: PAIRS[split]])
                (folder / f"{split}.{side}").write_text(lines, encoding="utf-8")
        data = {"source": "train.english", "target": "train.german"}
        data |= {"valid_source": "valid.english", "valid_target": "valid.german"}
        files = {"data": {name: str(folder / file) for name, file in data.items()}}
        self.table = merge(files, parse_overrides(SETTINGS))
        self.spent = 0.0

    def live(
        self, run: Path, spell: Callable[[Callable[[str], None]], Any] | None = None, kill_after: float | None = None
    ) -> Death:
        """One process that trains, or goes on training, under a ``spell``, until it ends or is killed."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self._train(run, writing, spell)
        os.close(writing)
        if kill_after is not None:
            end = time.monotonic() + kill_after
            while time.monotonic() < end and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                time.sleep(0.002)
            os.kill(pid, signal.SIGKILL)
        with os.fdopen(reading, encoding="utf-8") as told:
            lines = told.read().splitlines()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return _death(status, lines)

    def _train(self, run: Path, pipe: int, spell: Callable[[Callable[[str], None]], Any] | None) -> None:
        """The child's whole life."""

        def tell(text: str) -> None:
            os.write(pipe, f"{text}\n".encode())

        code = 1
        try:
            torch.set_num_threads(1)
            with ExitStack() as stack:
                if spell is not None:
                    stack.enter_context(spell(tell))
                train(self.table, run, Onlooker(pipe), resume=True, overwrite=False)
            code = 0
        except (RegardError, OSError) as error:  # the command makes a message of either
            tell(f"refused {error}")
            code = 2
        except BaseException as error:
            tell(f"escaped {type(error).__name__}: {error}")
            code = 3
        finally:
            os._exit(code)

    def undisturbed(self) -> str:
        """The hash of the model that nobody disturbed. It is trained here, so that every child finds all imported."""
        pipe = os.open(os.devnull, os.O_WRONLY)
        for name in ("warm", "undisturbed"):
            began = time.monotonic()
            train(self.table, self.folder / name, Onlooker(pipe), resume=True, overwrite=False)
            self.spent = time.monotonic() - began
        os.close(pipe)
        assert hash_of(self.folder / "warm") == hash_of(self.folder / "undisturbed"), "not even undisturbed runs agree"
        return hash_of(self.folder / "undisturbed")


def _death(status: int, lines: list[str]) -> Death:
    steps = [int(line.split()[1]) for line in lines if line.startswith("saved ")]
    said = next((line for line in lines if line.startswith(("refused", "escaped"))), "")
    how = "ended" if status == 0 else "killed" if status == -signal.SIGKILL else said or f"exit code {status}"
    moments = Counter(line.partition(" ")[2] for line in lines if line.startswith("moment "))
    return Death(how, max(steps, default=0), moments, sum(line == "call" for line in lines))


def hash_of(run: Path) -> str:
    return hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()


def check(run: Path, acknowledged: int) -> list[str]:
    """What is wrong with a run's folder after a death."""
    found = [
        f"{path.name} is damaged: {problem}" for path, problem in whole_checkpoints(run / "checkpoints") if problem
    ]
    whole = [step_of(path) for path, problem in whole_checkpoints(run / "checkpoints") if not problem]
    aside = [int(path.name.split("-")[1].split(".")[0]) for path in (run / "checkpoints").glob(".step-*.old")]
    if max([*whole, *aside], default=0) < acknowledged:
        found.append(f"step {acknowledged} was acknowledged, and the newest checkpoint is {max(whole, default=0)}")
    return found


def at_random_times(place: Range, expected: str, kills: int, chance: random.Random, tally: Tally) -> None:
    number = 0
    while tally.deaths["killed"] < kills:
        number += 1
        run, acknowledged = place.folder / f"times-{number}", 0
        for _ in range(KILLS_A_RUN):
            if tally.deaths["killed"] >= kills:
                break
            death = place.live(run, kill_after=chance.uniform(0.0, 1.05 * place.spent))
            acknowledged = max(acknowledged, death.acknowledged)
            _note(tally, f"times, run {number}", run, death, acknowledged)
            if death.how == "ended":
                break
        _come_to_the_end(place, expected, run, f"times, run {number}", tally)


def at_moments(place: Range, expected: str, turns: tuple[int, ...], tally: Tally) -> None:
    for moment in failpoints.MOMENTS:
        for turn in turns:
            run = place.folder / "moment"

            def spell(tell: Callable[[str], None], moment: str = moment, turn: int = turn) -> Any:
                seen: Counter[str] = Counter()

                def hook(name: str) -> None:
                    seen[name] += 1
                    if (name, seen[name]) == (moment, turn):
                        tell(f"moment {name}")
                        os.kill(os.getpid(), signal.SIGKILL)

                return failpoints.watched(hook)

            if moment.startswith("old folder"):  # a run is there already, and another takes its place
                continue
            death = place.live(run, spell)
            tally.reached |= set(death.moments)
            _note(tally, f"at {moment!r}, time {turn}", run, death, death.acknowledged)
            _come_to_the_end(place, expected, run, f"at {moment!r}, time {turn}", tally)


def at_replacing(place: Range, tally: Tally) -> None:
    """Death while one folder takes the place of another: one of the two must be there, whole."""
    from regard.storage import appearing, sweep

    for moment in failpoints.MOMENTS:
        folder = place.folder / "replaced"
        folder.mkdir()
        (folder / "old").write_text("old")
        pid = os.fork()
        if pid == 0:

            def hook(name: str, moment: str = moment) -> None:
                if name == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

            with failpoints.watched(hook), appearing(folder) as partial:
                (partial / "new").write_text("new")
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL:
            tally.reached.add(moment)
            tally.deaths["killed"] += 1
        sweep(folder)
        there = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        if there not in (["old"], ["new"]):
            tally.problems.append(f"replacing, at {moment!r}: {there}")
        shutil.rmtree(folder, ignore_errors=True)


def at_calls(place: Range, expected: str, tally: Tally) -> None:
    for for_ever in (False, True):
        number = 0
        while True:
            number += 1
            run = place.folder / "calls"
            death = place.live(run, _failing(number, for_ever))
            name = f"call {number} fails {'and all after it' if for_ever else 'once'}"
            _note(tally, name, run, death, death.acknowledged, may_refuse=True)
            _come_to_the_end(place, expected, run, name, tally)
            if death.calls < number:
                break
        print(f"  {number - 1} calls, each failing {'for ever' if for_ever else 'once'}")


def _failing(number: int, for_ever: bool) -> Callable[[Callable[[str], None]], Any]:
    """A spell under which the calls that write fail from ``number`` on, or that one alone."""

    def spell(tell: Callable[[str], None]) -> Any:
        stack, count = ExitStack(), 0

        def spoiled(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                nonlocal count
                count += 1
                tell("call")
                if count == number or (for_ever and count > number):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))
                return real(*arguments, **options)

            return call

        for owner, names in (*CALLS, (checkpoint, ("save_file",))):
            for name in names:
                stack.enter_context(mock.patch.object(owner, name, spoiled(getattr(owner, name))))
        return stack

    return spell


def _note(tally: Tally, name: str, run: Path, death: Death, acknowledged: int, *, may_refuse: bool = False) -> None:
    kind = death.how.partition(" ")[0]
    tally.deaths[kind] += 1
    if kind == "escaped" or (kind == "refused" and not may_refuse):
        tally.problems.append(f"{name}: {death.how}")
    if not (run / "model.safetensors").exists():
        tally.problems += [f"{name}: {problem}" for problem in check(run, acknowledged)]


def _come_to_the_end(place: Range, expected: str, run: Path, name: str, tally: Tally) -> None:
    death = place.live(run)
    if death.how != "ended":
        tally.problems.append(f"{name}: cannot go on: {death.how}")
    elif hash_of(run) != expected:
        tally.problems.append(f"{name}: another model than that of the undisturbed run")
    else:
        tally.finished += 1
    left = [path.name for path in place.folder.glob(f".{run.name}*")]
    left += [path.name for path in (run / "checkpoints").glob(".*")]
    if left:
        tally.problems.append(f"{name}: left behind: {left}")
    shutil.rmtree(run, ignore_errors=True)


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    saving.PAUSE = 0.0
    finishing.write_report = lambda *_, **__: None  # its pictures take longer than all the rest
    finishing._figures = lambda *_: {}
    tally, began = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        place = Range(Path(temporary))
        expected = place.undisturbed()
        if "times" in options.only:
            at_random_times(place, expected, options.kills, random.Random(options.seed), tally)
            print(f"random times: {dict(tally.deaths)}", flush=True)
        if "moments" in options.only:
            at_moments(place, expected, (1, 3) if options.kills >= 100 else (1,), tally)
            at_replacing(place, tally)
            missing = [moment for moment in failpoints.MOMENTS if moment not in tally.reached]
            tally.problems += [f"{moment!r} never came" for moment in missing]
            print(f"{len(tally.reached)} of {len(failpoints.MOMENTS)} named moments", flush=True)
        if "calls" in options.only:
            at_calls(place, expected, tally)
    print(f"{dict(tally.deaths)}; {tally.finished} runs came to the same {expected[:12]}…")
    print(f"{len(tally.problems)} problems, seed {options.seed}, {time.monotonic() - began:.0f} s")
    for problem in tally.problems:
        print(f"  {problem}")
    sys.exit(1 if tally.problems else 0)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
