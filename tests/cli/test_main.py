"""What a command's end looks like to a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

import regard
from regard.cli import main as cli
from regard.errors import RegardError, RunError, TrainingError

ROOT = Path(__file__).resolve().parents[2]
MESSAGE = "runs/x: got nothing; expected a run; train one first."


@pytest.fixture
def end(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """Runs ``regard WORDS``, where the command ``act`` does what is handed in; returns the exit code."""
    there = list(cli.app.registered_commands)

    def run(act: Callable[[], None], *words: str) -> int:
        cli.app.command("act")(act)
        monkeypatch.setattr(sys, "argv", ["regard", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return code if isinstance(code, int) else 0

    yield run
    cli.app.registered_commands[:] = there


def fail_with(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.parametrize(("error", "code"), [(RunError(MESSAGE), 2), (TrainingError(MESSAGE), 1)])
def test_an_error_is_its_message_and_its_exit_code(
    end: Callable[..., int], capsys: pytest.CaptureFixture[str], error: RegardError, code: int
) -> None:
    assert end(fail_with(error), "act") == code
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", MESSAGE + "\n")


@pytest.mark.parametrize("words", [["--debug", "act"], ["act", "--debug"]])
def test_debug_shows_where_an_error_arose(
    end: Callable[..., int], capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert end(fail_with(RunError(MESSAGE)), *words) == 2
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert "in act" in printed
    assert printed.endswith(MESSAGE + "\n")


def test_after_two_dashes_debug_is_a_word_like_any_other(end: Callable[..., int]) -> None:
    heard = []

    def act(text: str) -> None:
        heard.append(text)

    assert end(act, "act", "--", "--debug") == 0
    assert heard == ["--debug"]


def test_an_interrupt_ends_as_a_shell_expects(end: Callable[..., int]) -> None:
    assert end(fail_with(KeyboardInterrupt()), "act") == 130


def test_a_command_may_choose_its_exit_code(end: Callable[..., int]) -> None:
    assert end(fail_with(typer.Exit(75)), "act") == 75


def test_an_error_of_our_own_keeps_its_traceback(end: Callable[..., int]) -> None:
    with pytest.raises(ZeroDivisionError, match="a bug"):
        end(fail_with(ZeroDivisionError("a bug")), "act")


@pytest.mark.parametrize("count", [1, 100_000], ids=["little output", "much output"])
def test_a_reader_that_leaves_early_is_no_error(count: int) -> None:
    code = f"""
from regard.cli import main as cli
@cli.app.command()
def write():
    for line in range({count}):
        print(line)
cli.main()
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", code, "write"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT / "src",
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    assert writer.stdout is not None
    writer.stdout.close()
    assert writer.stderr is not None
    with writer.stderr as stderr:
        complaint = stderr.read()
    assert writer.wait() == 141
    assert complaint == b""


def test_an_unknown_command_names_the_nearest(end: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert end(lambda: None, "acr") == 2
    assert "No such command 'acr'. Did you mean 'act'?" in capsys.readouterr().err


def test_the_version_is_printed_alone(end: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert end(lambda: None, "--version") == 0
    assert capsys.readouterr().out == f"regard {regard.__version__}\n"


def test_without_a_command_there_is_help(end: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert end(lambda: None) == 2
    assert "Usage: regard" in capsys.readouterr().out
