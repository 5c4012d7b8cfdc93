"""One process at a time works on a run. The system lets go of the lock when the process ends, however that comes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from regard.errors import RunError


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the run of this folder, which need not be there yet, by a file beside it that tells who does.

    Raises RunError where another process holds it. A file that a killed process left is no lock.
    """
    folder = folder.resolve()  # one run has one lock, whatever link it is named through
    path = folder.with_name(f".{folder.name}.lock")
    made = [parent for parent in folder.parents if not parent.exists()]
    file = _opened(path)
    try:
        who = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat("T", "seconds")}
        file.write(json.dumps(who) + "\n")
        file.flush()
        yield
    finally:
        with suppress(OSError):  # while it is held: whoever has opened it meanwhile finds it gone, and tries again
            path.unlink()
        file.close()
        for parent in made:
            with suppress(OSError):  # it holds a run now
                parent.rmdir()


def _opened(path: Path) -> IO[str]:
    """The file, locked, empty and still under its name."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            expected, action = "a folder to write to", "choose another folder"
            got = os.strerror(errno.ENOTDIR) if isinstance(error, FileExistsError) else error.strerror
            raise RunError.because(path.parent, got, expected, action) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            got = f"{path.name[1:].removesuffix('.lock')}, on which {_whoever(file.read())} works"
            file.close()
            raise RunError.because("--out", got, "a run of nobody else's", "wait for it, or end it") from error
        except OSError:  # a file system without locks: regard doctor says so
            return file
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            file.truncate(0)
            return file
        file.close()


def _whoever(text: str) -> str:
    try:
        who = json.loads(text)
        return f"process {who['pid']} on {who['host']}, since {who['since']},"
    except (ValueError, TypeError, KeyError):
        return "another process"
