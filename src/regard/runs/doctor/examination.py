"""All that the doctor looks at, part by part, in the order of a reader."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path

from regard.compiling import cache_folder
from regard.runs.doctor import compiled_code, file_system, machine, software
from regard.runs.doctor.finding import Check, Finding

TORCH = "install torch again (pip install --force-reinstall torch); if that changes nothing, report this"
KERNELS = "set REGARD_NATIVE=0, which computes without them, and report this"
DISK = "do not train here: memory or disk lose what is written; try another folder, and report this"
TEXT = "install tokenizers again (pip install --force-reinstall tokenizers)"

# Name, module, function, and what to do where an answer is wrong. A module is imported when its test runs, so that a
# torch which cannot even be loaded is one finding among others.
SELF_TESTS = (
    ("softmax", "known_answers", "softmax", TORCH),
    ("attention", "known_answers", "attention_of_logarithms", TORCH),
    ("layer norm", "known_answers", "layer_norm", TORCH),
    ("cross entropy", "known_answers", "cross_entropy", TORCH),
    ("compiled kernels", "known_answers", "kernels_against_plain_products", KERNELS),
    ("training twice", "repeatable", "training_twice", TORCH),
    ("checkpoint", "repeatable", "checkpoint_again", DISK),
    ("tokenizer", "repeatable", "texts_and_back", TEXT),
    ("decoding", "counting_model", "counting", TORCH),
    ("compiled decoding", "counting_model", "compiled_counting", KERNELS),
)


def parts(folder: Path) -> dict[str, list[Check]]:
    """The checks of each part by its name. ``folder`` is where runs are to be written."""
    return {
        "Machine": [
            Check("processor", machine.processor),
            Check("cores", machine.cores),
            Check("memory", machine.memory),
            Check("GPU", machine.graphics_card),
        ],
        "Software": [
            Check("Python", software.python),
            Check("packages", software.packages),
            Check("text", software.encodings),
            Check("C++ compiler", compiled_code.compiler),
            Check("kernels of training", compiled_code.kernels),
            Check("engine of translation", compiled_code.engine),
        ],
        "Folders": [
            Check("runs", partial(file_system.folder, "runs", folder)),
            Check("cache", _cache),
            Check("temporary files", _temporary),
        ],
        "Self-test": [Check(test[0], partial(answered, *test), known_answer=True) for test in SELF_TESTS],
    }


def _cache() -> Iterator[Finding]:
    """Where compiled code is kept."""
    try:
        place = cache_folder()
    except RuntimeError as error:  # a user without a home, as in some containers
        action = "set HOME, or REGARD_CACHE to a folder of its own"
        yield Finding("cache", str(error).rstrip("."), "a folder for compiled code", action)
        return
    yield from file_system.folder("cache", place)


def _temporary() -> Iterator[Finding]:
    """Where files for a moment are kept, by pictures for instance."""
    try:
        place = tempfile.gettempdir()
    except OSError:
        action = "set TMPDIR, and MPLCONFIGDIR, to such a folder"
        yield Finding("temporary files", "no folder for them", "one that can be written to", action)
        return
    yield Finding("temporary files", place)


def answered(name: str, module: str, function: str, action: str) -> Iterator[Finding]:
    """Compare what a self-test computes with what it knows. ``action``: what to do where they differ."""
    import torch

    from regard.runs.doctor.known_answers import LeftOut

    threads, began = torch.get_num_threads(), time.perf_counter()
    torch.set_num_threads(1)  # where other programs want the cores too, threads wait for each other longer than work
    try:
        answers = list(getattr(import_module(f"{__package__}.{module}"), function)())
    except LeftOut as reason:
        yield Finding(name, f"left out: {reason}")
        return
    finally:
        torch.set_num_threads(threads)
    wrong = [one for one in answers if not one.right]
    if wrong:
        found, known = wrong[0].told()
        more = f" (and {len(wrong) - 1} more wrong answers)" if len(wrong) > 1 else ""
        yield Finding(name, f"{found} for {wrong[0].what}{more}", known, action, failed=True)
    else:
        seconds = time.perf_counter() - began
        yield Finding(name, f"{len(answers)} of {len(answers)} answers right, {seconds:.2f} s")
