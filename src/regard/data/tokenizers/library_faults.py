"""What the `tokenizers` library raises of a damaged file, which has no class of its own, as an error of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from regard.errors import CheckpointError, RegardError


def is_fault(error: BaseException) -> bool:
    """Whether it is the library's plain Exception, or a panic of its own."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


@contextmanager
def library_faults(name: object = "tokenizer") -> Iterator[None]:
    """Raises CheckpointError where the library raises its plain Exception, or panics, which is no Exception at all."""
    try:
        yield
    except RegardError:
        raise
    except BaseException as error:
        if not is_fault(error):
            raise
        got = f"one that the library cannot use ({' '.join(str(error).split())[:100]})"
        raise CheckpointError.because(name, got, "a whole tokenizer", "restore its files") from error
