"""Tensors as one array of bytes, and the references by which the page's script finds them in it.

Four kinds: ``weights``, a byte each (byte / 255, so wrong by 1/510 at most); ``vectors``, of each row a float32 scale
and then a signed byte each (byte · scale; −128 is NaN); ``floats``, float32; ``bits``, eight a byte, the first highest.
All little-endian.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Reference = dict[str, Any]
NAN = -128
MOST = 127


class Packing:
    """Bytes that grow. Each method appends a tensor and returns where it is: its kind, offset and shape."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def packed(self) -> bytes:
        """All of it."""
        return b"".join(self._parts)

    def weights(self, values: Tensor) -> Reference:
        """Numbers from 0 to 1."""
        array = _numbers(values)
        return self._append("weights", array.shape, np.rint(array * 255).astype(np.uint8).tobytes())

    def vectors(self, values: Tensor) -> Reference:
        """Any numbers, each row (the last axis) as exact as its greatest allows; an infinite one counts as NaN."""
        array = _numbers(values)
        rows = array.reshape(-1, array.shape[-1])
        known = np.isfinite(rows)
        scales = np.abs(np.where(known, rows, 0)).max(axis=1, initial=0, keepdims=True).astype("<f4") / MOST
        quotients = np.divide(rows, scales, out=np.zeros_like(rows), where=known & (scales > 0))
        signed = np.where(known, np.rint(quotients).clip(-MOST, MOST), NAN).astype(np.int8)
        return self._append("vectors", array.shape, scales.tobytes() + signed.tobytes())

    def floats(self, values: Tensor) -> Reference:
        """Any numbers, exactly."""
        array = _numbers(values)
        return self._append("floats", array.shape, array.astype("<f4").tobytes())

    def bits(self, values: Tensor) -> Reference:
        """True and False."""
        array = values.cpu().numpy()
        return self._append("bits", array.shape, np.packbits(array).tobytes())

    def _append(self, kind: str, shape: tuple[int, ...], data: bytes) -> Reference:
        reference = {"kind": kind, "at": self._size, "shape": list(shape)}
        self._parts.append(data)
        self._size += len(data)
        return reference


def _numbers(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.detach().cpu().float().numpy()
    return array
