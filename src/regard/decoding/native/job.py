"""Sentences on their way through the compiled decoder."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from ctypes import c_double, c_int32, c_void_p
from typing import Any

import numpy as np

from regard.decoding.hypothesis import Hypothesis, read_hypothesis
from regard.decoding.native import views
from regard.errors import CheckpointError

Progress = Callable[[int], None]

SLICE = 0.1  # seconds of work between two looks at whether somebody interrupts
MORE, NO_NUMBERS, FAILED = 1, 2, 3  # what a worker says of its work; 0: there is nothing left

_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "regard_has_bytes": (c_int32, []),
    "regard_model": (c_void_p, [ctypes.POINTER(views.ModelView)]),
    "regard_forget_model": (None, [c_void_p]),
    "regard_job": (c_void_p, [c_void_p, ctypes.POINTER(views.JobView)]),
    "regard_forget_job": (None, [c_void_p]),
    "regard_worker": (c_void_p, [c_void_p]),
    "regard_forget_worker": (None, [c_void_p]),
    "regard_work": (c_int32, [c_void_p, c_void_p, c_double]),
    "regard_done": (c_int32, [c_void_p]),
    "regard_sizes": (None, [c_void_p, c_int32, c_void_p, c_void_p]),
    "regard_result": (None, [c_void_p, c_int32, *([c_void_p] * 5)]),
    "regard_product": (c_int32, [ctypes.POINTER(views.LinearView), c_int32, c_void_p, c_int32, c_void_p]),
}


def typed(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library, with what its functions take and return."""
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def made(handle: int | None) -> int:
    """A thing of the library's. Raises MemoryError where it could not be made."""
    if not handle:
        raise MemoryError("no memory for the compiled decoder")
    return handle


class Job:
    """Sentences to translate, and then their outputs. ``close`` it when they have been read."""

    def __init__(self, library: ctypes.CDLL, model: int, view: views.JobView) -> None:
        self._library = library
        self._job = made(library.regard_job(model, ctypes.byref(view)))
        self._stop = threading.Event()
        self._said: list[int] = []

    def close(self) -> None:
        """Give its memory back."""
        self._library.regard_forget_job(self._job)

    def run(self, workers: int, progress: Progress | None = None) -> None:
        """Translate everything, in this thread and ``workers`` − 1 others.

        Raises CheckpointError where a logit is not a number. Whatever ends it, a Ctrl-C too, no worker is left.
        """
        others = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers - 1)]
        try:
            for thread in others:
                thread.start()
            self._serve(progress)
            for thread in others:
                while thread.is_alive():
                    thread.join(SLICE)
                    self._tell(progress)
        finally:
            self._stop.set()
            for thread in others:
                thread.join()
        self._tell(progress)
        if FAILED in self._said:
            raise MemoryError("no memory for the compiled decoder")
        if NO_NUMBERS in self._said:
            action = "look for a weight that is not a number, or for training that diverged"
            raise CheckpointError.because("model", "logits that are no numbers", "finite ones", action)

    def result(self, place: int, ends: tuple[int, ...]) -> list[Hypothesis]:
        """The outputs of one sentence, best first."""
        sizes = np.zeros(2, np.int32)
        self._library.regard_sizes(self._job, place, sizes.ctypes.data, sizes.ctypes.data + 4)
        count, total = sizes.tolist()
        lengths, tokens = np.zeros(count, np.int32), np.zeros(total, np.int32)
        totals, scores, logs = np.zeros(count), np.zeros(count), np.zeros(total)
        arrays = (lengths, totals, scores, tokens, logs)
        self._library.regard_result(self._job, place, *(array.ctypes.data for array in arrays))
        found, first = [], 0
        for length, log_probability, score in zip(lengths.tolist(), totals.tolist(), scores.tolist(), strict=True):
            part = slice(first, first + length)
            found.append(read_hypothesis(tokens[part].tolist(), logs[part].tolist(), log_probability, score, ends))
            first += length
        return found

    def _serve(self, progress: Progress | None = None) -> None:
        worker = made(self._library.regard_worker(self._job))
        try:
            said = MORE
            while said == MORE and not self._stop.is_set():
                said = self._library.regard_work(self._job, worker, SLICE)
                self._tell(progress)
            self._said.append(said)
        finally:
            self._library.regard_forget_worker(worker)

    def _tell(self, progress: Progress | None) -> None:
        if progress is not None:
            progress(self._library.regard_done(self._job))
