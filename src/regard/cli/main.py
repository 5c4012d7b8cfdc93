"""The command ``regard``: its list of commands, and what a failure looks like to a shell.

A command's file is imported to show its help, so whatever is slow to import is imported inside its function.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from regard import __version__
from regard.cli.caption import caption
from regard.cli.classify import classify
from regard.cli.compare import compare
from regard.cli.complete import complete
from regard.cli.demo import demo
from regard.cli.detect import detect
from regard.cli.doctor import doctor
from regard.cli.embed import embed, search
from regard.cli.evaluate import evaluate
from regard.cli.export import export
from regard.cli.fill import fill
from regard.cli.inspect import inspect
from regard.cli.look import look
from regard.cli.study import study
from regard.cli.summarize import summarize
from regard.cli.train import train
from regard.cli.translate import translate
from regard.errors import RegardError, RunError, TrainingError

INTERRUPTED = 128 + 2  # as a shell reports SIGINT
PIPE_CLOSED = 128 + 13  # and SIGPIPE, after `| head`
DISK_FAILURES = {errno.ENOSPC, errno.EDQUOT, errno.EIO}


class Commands(TyperGroup):
    """Turns what ends a command early into a message and an exit code."""

    def invoke(self, context: Any) -> Any:
        """Run a command. An error for the user becomes its message and exit code; ``--debug`` shows its origin."""
        try:
            result = super().invoke(context)
            sys.stdout.flush()
        except KeyboardInterrupt as interrupt:
            raise typer.Exit(INTERRUPTED) from interrupt
        except BrokenPipeError as closed:
            _forget_output()
            raise typer.Exit(PIPE_CLOSED) from closed
        except (RegardError, OSError) as error:
            if context.params.get("debug"):
                traceback.print_exc()
            told = _told(error) if isinstance(error, OSError) else error
            print(told, file=sys.stderr)
            raise typer.Exit(told.exit_code) from error
        return result


app = typer.Typer(
    name="regard",
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"regard {__version__}")
        raise typer.Exit


@app.callback()
def regard(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the code an error arose.")] = False,
) -> None:
    """Train, measure, run and look inside Transformers: two text files in, a translator out."""


COMMANDS = (
    *(demo, train),
    *(translate, summarize, complete, fill, classify, caption, detect, embed, search),
    *(evaluate, compare, look, study, inspect, doctor, export),
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command line. ``--debug`` may stand anywhere before ``--``, so that a failed command can be given it."""
    for stream, rest in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=rest)  # as texts are read, whatever the system's language is
    app(args=_debug_first(sys.argv[1:]), prog_name="regard")


def _debug_first(words: list[str]) -> list[str]:
    end = words.index("--") if "--" in words else len(words)
    if "--debug" not in words[:end]:
        return words
    return ["--debug", *(word for word in words[:end] if word != "--debug"), *words[end:]]


def _told(error: OSError) -> RegardError:
    """What the system refused, as a message: a full or broken disk is a failure underway, the rest can be mended."""
    kind = TrainingError if error.errno in DISK_FAILURES else RunError
    action = "check its path and permissions, and the room on the disk"
    expected = "a file that can be read and written"
    return kind.because(error.filename or "a file", error.strerror or error, expected, action)


def _forget_output() -> None:
    """Nobody reads any more: let the interpreter flush what is left at its exit into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
