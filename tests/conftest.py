"""For every test: shapes are checked, arithmetic is on one thread, and chance starts from the same seed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
import torch
from hypothesis import settings
from jaxtyping import install_import_hook

SHAPED = ("layers", "models", "families", "tasks", "training", "decoding")


# From here on, whatever these packages define checks its arguments and results against its annotations.
install_import_hook([f"regard.{package}" for package in SHAPED], "beartype.beartype")
torch.set_num_threads(1)

# The same examples at every run, and no clock: a busy machine is no failure.
settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def same_chance() -> Iterator[None]:
    """Seed what a test draws from, and give back the defaults that it may have changed."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    dtype = torch.get_default_dtype()
    yield
    torch.set_default_dtype(dtype)


# Runs and commands ---------------------------------------------------------------------------------------------------

SMALL_RUN = (
    "model.layers=1 model.d_model=16 model.heads=2 model.d_ff=32 model.dropout=0.1 model.norm=post tokenizer.size=400 "
    "data.bleu_sentences=4 train.steps=30 train.save_every=10 train.validate_every=15 train.log_every=5 "
    "train.batch_tokens=512 train.learning_rate=0.01 train.precision=float32 train.threads=1 train.average=last "
    "decode.beam=2 decode.max_extra=5"
).split()


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def command() -> Callable[..., Ended]:
    """Runs ``regard WORDS`` in this process. An error that is none of ours is raised, and fails the test."""
    from typer.testing import CliRunner

    from regard.cli.main import app

    def run(*words: object, stdin: str | bytes | None = None) -> Ended:
        result = CliRunner().invoke(app, [str(word) for word in words], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.stderr
        return Ended(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train|valid|test.en|de``: 200, 20 and 12 pairs of the built-in data."""
    from regard.data.builtin import sample

    folder = tmp_path_factory.mktemp("toy")
    for split, pairs in sample.splits().items():
        chosen = pairs[: {"train": 200, "valid": 20, "test": 12}[split]]
        (folder / f"{split}.en").write_text("".join(f"{one.english}\n" for one in chosen), encoding="utf-8")
        (folder / f"{split}.de").write_text("".join(f"{one.german}\n" for one in chosen), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def small_words(toy: Path) -> list[str]:
    """What stands after ``regard train`` for a run of 30 steps in a second, but for ``--out``."""
    files = {"--source": "train.en", "--target": "train.de", "--valid-source": "valid.en", "--valid-target": "valid.de"}
    return [*SMALL_RUN, *(word for option, name in files.items() for word in (option, str(toy / name)))]


@pytest.fixture(scope="session")
def finished_run(
    tmp_path_factory: pytest.TempPathFactory, small_words: list[str], command: Callable[..., Ended]
) -> Path:
    """A finished run. Look at it, but change only copies: ``run_copy`` is one."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    assert command("train", *small_words, "--out", folder).code == 0
    return folder


@pytest.fixture
def run_copy(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of ``finished_run`` to change."""
    return Path(shutil.copytree(finished_run, tmp_path / "small"))


@pytest.fixture(scope="session")
def tree() -> Callable[[Path], dict[str, bytes | None]]:
    """Every path below a folder with its bytes (None: a folder): equal trees are byte for byte the same."""

    def look(folder: Path) -> dict[str, bytes | None]:
        return {
            str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in sorted(folder.rglob("*"))
        }

    return look


ZYGOTE = """
import json, os, signal, sys
import regard.runs.train, regard.runs.finish, regard.cli.console, regard.cli.main as cli
regard.runs.finish.write_report = lambda *arguments, **options: None  # its pictures take longer than all the rest
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
for line in sys.stdin:
    wish = json.loads(line)
    pid = os.fork()
    if pid == 0:
        for number, name in ((1, wish["out"]), (2, wish["err"])):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = ["regard", *wish["words"]]
        code = 1
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        sys.stdout.flush()
        os._exit(code)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Process:
    """``regard WORDS`` as a process of its own, which can be sent signals."""

    def __init__(self, zygote: subprocess.Popen[str], folder: Path, words: Sequence[object]) -> None:
        self._zygote = zygote
        self._files = folder / "out", folder / "err"
        wish = {"words": [str(word) for word in words], "out": str(self._files[0]), "err": str(self._files[1])}
        assert zygote.stdin is not None
        assert zygote.stdout is not None
        zygote.stdin.write(json.dumps(wish) + "\n")
        zygote.stdin.flush()
        self.pid = int(zygote.stdout.readline())

    def wait_for(self, condition: Callable[[], bool], seconds: float = 120.0) -> None:
        """Wait until something is so, looking every millisecond."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not in {seconds} s: {self._files[1].read_text()}"
            time.sleep(0.001)

    def send(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def end(self, seconds: float = 120.0) -> Ended:
        """Wait for its end, and end it after so long. An exit code below zero is the signal that ended it."""
        assert self._zygote.stdout is not None
        late = Timer(seconds, self.send, [signal.SIGKILL])
        late.start()
        code = int(self._zygote.stdout.readline())
        late.cancel()
        out, err = (path.read_text(encoding="utf-8") for path in self._files)
        assert "Traceback" not in err, err
        return Ended(code, out, err)


@pytest.fixture(scope="session")
def _zygote() -> Iterator[subprocess.Popen[str]]:
    """A process that has imported everything and forks one that runs a command, since importing torch takes seconds."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", ZYGOTE]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, encoding="utf-8"
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def start(_zygote: subprocess.Popen[str], tmp_path: Path) -> Callable[..., Process]:
    """Starts ``regard WORDS`` as a process of its own; one at a time."""
    return lambda *words: Process(_zygote, tmp_path, words)
