"""Memory that a step has used stays with the process for the next one; and how it is known that there is none."""

from __future__ import annotations

import ctypes
from functools import cache

import torch

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # glibc's malloc.h
_MIB = 1 << 20


@cache
def keep_pages() -> None:
    """Let the C library keep freed blocks of up to 32 MiB, the most that it takes, instead of giving them back.

    The system hands out pages filled with zeros, one fault each, and with several threads those faults wait for each
    other: a step of the tiny model on two threads took 18 to 28 % longer (LOG.md). Other C libraries are left alone.
    """
    try:
        tune = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    tune(_MMAP_THRESHOLD, 32 * _MIB)
    tune(_TRIM_THRESHOLD, 1024 * _MIB)
    tune(_TOP_PAD, 64 * _MIB)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was asked for and not given. On a processor torch has no class of its own for that."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)
