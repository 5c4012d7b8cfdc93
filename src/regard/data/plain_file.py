"""A small file read whole: a pipe is not waited for, and neither a device nor a huge file fills the memory."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

JSON_BYTES = 4 << 20  # a config.json with the names of 20,000 classes has 1 MiB; nested brackets take 25 times as much
VOCABULARY_BYTES = 256 << 20  # the largest public tokenizer.json has 34 MiB


def read_plain(path: Path, most: int) -> bytes:
    """The bytes of a regular file. Raises OSError where it is another kind of file or has more than ``most`` bytes."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check(os.fstat(descriptor), path, most)
    except OSError:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most)


def check_plain(path: Path, most: int = JSON_BYTES) -> Path:
    """``path`` itself, where ``read_plain`` would not refuse what is there. Raises OSError as it does."""
    _check(path.stat(), path, most)
    return path


def _check(status: os.stat_result, path: Path, most: int) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "A pipe or a device", str(path))
    if status.st_size > most:
        raise OSError(errno.EFBIG, f"{status.st_size:,} bytes where at most {most:,} are read", str(path))
