"""Does anything but an error of ours, a hang or a lot of memory come out of a damaged file?

    python benchmarks/fuzz.py [--inputs 100000] [--seed 0] [--readers weights tokenizer ...] [--seconds 60]
    python benchmarks/fuzz.py --repeat 0:weights:17 [--keep FOLDER]

Each input is a whole file, damaged as (seed, reader, number) decide, and read in a process of its own kind: two
processes, each with an end to its memory and to the time of an input. Counted are inputs that were read, refusals by
class, and escapes: another exception, a crash, a hang. An escape is printed with what repeats it.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from fuzz_files import Reader, readers, texts
from fuzz_mutations import TEXT

from regard.errors import RegardError

PROCESSES = 2
SECONDS = 10.0  # an input; each of these files is read in a few milliseconds
MEMORY = 512 << 20  # bytes of addresses beyond what the process has when it begins
READ = "read"
SLOW = ("config-", "inspect", "sentencepiece-unigram-spiece")  # a whole model, or a large table
SLOWER = 5  # as many inputs of the others

Trial = Callable[[int], None]  # read the input of this number


@dataclass
class Found:
    """What came out: how often each class, and the inputs that escaped."""

    counts: Counter[str] = field(default_factory=Counter)
    escapes: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", nargs="*", help="beginnings of their names")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--files", type=Path, help="keep the whole files here, or take those of an earlier call")
    parser.add_argument("--repeat", metavar="SEED:READER:NUMBER", help="one input, with its traceback")
    parser.add_argument("--keep", type=Path, help="leave the repeated input here")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as name:
        seed = int(options.repeat.partition(":")[0]) if options.repeat else options.seed
        trials = _trials(options.files or Path(name) / "whole", Path(name), seed, options.keep)
        if options.repeat:
            _, reader, number = options.repeat.split(":")
            trials[reader](int(number))
            return
        wanted = tuple(options.readers or [""])
        chosen = {name: trial for name, trial in trials.items() if name.startswith(wanted)}
        shares = sum(1 / SLOWER if name.startswith(SLOW) else 1 for name in chosen)
        each = math.ceil(options.inputs / shares)
        _report(_run(chosen, each, seed, time.monotonic() + options.seconds))


def _trials(files: Path, folder: Path, seed: int, keep: Path | None) -> dict[str, Trial]:
    """The readers by name, each as a function of the number of an input."""
    found: dict[str, Trial] = {}
    for name, reader in readers(files).items():
        reader.read(reader.folder)  # what is whole is read
        found[name] = lambda number, name=name, reader=reader: _damaged(reader, folder, f"{seed}:{name}:{number}", keep)
    for name, read in texts().items():
        with suppress(RegardError):
            read(b"A dog runs.\n")  # so that what it needs is made before the time of an input is counted
        found[name] = lambda number, name=name, read=read: read(_text(f"{seed}:{name}:{number}"))
    return found


def _damaged(reader: Reader, folder: Path, key: str, keep: Path | None) -> None:
    """Read a copy of the reader's folder in which one file is damaged."""
    chance = random.Random(key)
    name = chance.choice(list(reader.files))
    here = folder / f"damaged-{os.getpid()}" / reader.folder.name
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True)
    for path in reader.folder.iterdir():
        if path.name != name:
            shutil.copyfile(path, here / path.name)
    mutation = chance.choice(reader.files[name])
    (here / name).write_bytes(mutation((reader.folder / name).read_bytes(), chance))
    if keep is not None:
        print(f"{name} after {mutation.__name__}")
        shutil.copytree(here, keep)
    reader.read(here)


def _text(key: str) -> bytes:
    """Lines of text with damage in them."""
    chance = random.Random(key)
    lines = "\n".join(
        chance.choice(("A dog runs.", "Ein Hund läuft.", "개가 달린다", "", "[train]\nsteps = 3")) for _ in "12345"
    )
    for _ in range(chance.randrange(4)):
        lines = chance.choice(TEXT)(lines if isinstance(lines, bytes) else lines.encode(), chance)
    return lines if isinstance(lines, bytes) else lines.encode()


# Processes -----------------------------------------------------------------------------------------------------------


def _run(trials: dict[str, Trial], each: int, seed: int, end: float) -> dict[str, Found]:
    """Every trial with the numbers 0 to ``each`` − 1, in turn, so that an early end leaves all equally tried."""
    found = {name: Found() for name in trials}
    slow = {name for name in trials if name.startswith(SLOW)}
    places = [(name, number) for number in range(each) for name in trials if number % SLOWER == 0 or name not in slow]
    workers = [_Worker(trials, places[start::PROCESSES]) for start in range(PROCESSES)]
    while any(worker.left for worker in workers) and time.monotonic() < end:
        busy = [worker for worker in workers if worker.left]
        ready, _, _ = select.select([worker.pipe for worker in busy], [], [], 0.5)
        for worker in busy:
            for (name, number), outcome in worker.outcomes(worker.pipe in ready):
                found[name].counts[outcome.partition(" ")[0]] += 1
                if outcome[0] == "!":
                    found[name].escapes.append(f"{seed}:{name}:{number} {outcome}")
                    print(found[name].escapes[-1], file=sys.stderr, flush=True)
    for worker in workers:
        worker.stop()
    return found


class _Worker:
    """A process that works off a list of inputs and writes a line for each. One that is lost is replaced."""

    def __init__(self, trials: dict[str, Trial], left: list[tuple[str, int]]) -> None:
        self.trials, self.left = trials, left
        self._begin()

    def _begin(self) -> None:
        self.pipe, writing = os.pipe()
        self._rest, self._since = b"", time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.pipe)
            _work(self.trials, self.left, writing)
            os._exit(0)
        os.close(writing)

    def outcomes(self, ready: bool) -> Iterator[tuple[tuple[str, int], str]]:
        """What has been found since, in order."""
        data = os.read(self.pipe, 1 << 16) if ready else None
        if data:
            *lines, self._rest = (self._rest + data).split(b"\n")
            done, self.left = self.left[: len(lines)], self.left[len(lines) :]
            self._since = time.monotonic()
            yield from zip(done, (line.decode() for line in lines), strict=True)
        elif data == b"" or time.monotonic() - self._since > SECONDS:
            status = self.stop()
            lost, self.left = self.left[0], self.left[1:]
            self._begin()
            yield lost, f"!crash {status}" if data == b"" else f"!hang of {SECONDS} s"

    def stop(self) -> int:
        """End the process, and say how it ended."""
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.pipe)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _work(trials: dict[str, Trial], places: list[tuple[str, int]], pipe: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    if pages:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY,) * 2)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)  # a library's panic is told there, and counted here
    for name, number in places:
        os.write(pipe, f"{_outcome(trials[name], number)}\n".encode("utf-8", "replace"))


def _outcome(trial: Trial, number: int) -> str:
    try:
        trial(number)
    except RegardError as error:
        told = str(error)
        return type(error).__name__ if "\n" not in told or len(told) < 20_000 else "!message of many lines"
    except BaseException as error:  # the panic of a library is no Exception
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"!{type(error).__name__} {str(error)[:100]!r} at {Path(where.filename).name}:{where.lineno}"
    return READ


def _report(found: dict[str, Found]) -> None:
    print(f"{'reader':32} {'inputs':>8} {'read':>8} {'refused':>8} {'escapes':>8}")
    total: Counter[str] = Counter()
    for name, one in found.items():
        counts, escapes = one.counts, len(one.escapes)
        refused = counts.total() - counts[READ] - escapes
        print(f"{name:32} {counts.total():8,} {counts[READ]:8,} {refused:8,} {escapes:8,}")
        total += counts
    print(f"{total.total():,} inputs: " + ", ".join(f"{name} {count:,}" for name, count in total.most_common()))
    sys.exit(any(one.escapes for one in found.values()))


if __name__ == "__main__":
    main()
