"""The compiled kernels, and how tensors are handed to them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from regard.compiling import Compiled, compiled

UNIT = 16  # a multiple of the numbers in any processor's vector
_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


class Dropout(ctypes.Structure):
    """Which numbers drop: a ``threshold`` of 65536, drawn with a ``key``; the others are multiplied by ``factor``."""

    _fields_ = (("key", ctypes.c_uint64), ("threshold", ctypes.c_uint32), ("factor", ctypes.c_float))

    @classmethod
    def drawn(cls, rate: float) -> Dropout:
        """A new key from torch's generator, so that masks are a function of its seed."""
        if rate == 0.0:
            return cls(0, 0, 1.0)
        key = int(torch.empty((), dtype=torch.int64).random_(-(2**63), None))
        return cls(key % 2**64, min(round(rate * 65536), 65535), 1.0 / (1.0 - rate))


@cache
def compiled_kernels() -> Compiled:
    """The compiled file, or the reason why there is none."""
    return compiled(Path(__file__).with_name("kernels.cpp"), ("-fopenmp",))


def library() -> ctypes.CDLL | None:
    """The compiled file, made on first use; None where there is none."""
    return compiled_kernels().library


def library_name() -> str:
    """A name that differs for other sources, compilers and processors; "torch" where nothing is compiled."""
    path = compiled_kernels().path
    return path.stem.rpartition("-")[2] if path else "torch"


def kernel(name: str, dtype: torch.dtype) -> Callable[..., None]:
    """The kernel of that name for numbers of that type."""
    found = library()
    assert found is not None, "whoever asks for a kernel has asked `serves` before"
    function: Any = getattr(found, f"{name}_{_NAMES[dtype]}")
    function.restype = None
    return function


def serves(*tensors: Tensor) -> bool:
    """Whether kernels can work on these: on a processor, all of one type that they know."""
    first = tensors[0].dtype
    fits = first in _NAMES and all(one.dtype == first and one.device.type == "cpu" for one in tensors)
    return fits and library() is not None


def pointer(tensor: Tensor | None) -> ctypes.c_void_p:
    """Where the numbers of a tensor begin."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def threads() -> ctypes.c_int:
    """As many as torch uses."""
    return ctypes.c_int(torch.get_num_threads())
