"""A config.json against the weights beside it: by their shapes alone, before any memory is taken for a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from regard.errors import CheckpointError
from regard.models.heads import Head
from regard.models.public import Fit, Shapes, check_fit
from regard.models.vocabulary import NO_TEXT, Vocabulary
from regard.models.weight_names import PublicForm

DRAWING = {"normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "xavier_uniform_", "orthogonal_"}  # numbers
MAKING = (torch.empty, torch.zeros, torch.ones)
# What code that expects sound settings raises where they are not.
DAMAGES = (RuntimeError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, MemoryError)
WIDTHS = ("d_model", "d_ff", "d_k", "d_v", "d_embedding", "d_encoder", "heads")  # each a side of some matrix, or less
MOST_WIDTH = 20_000  # that needs no matrix as wide on both sides
ACTION = "use the config.json that was saved with the weights"
MOST_LAYERS = 1000  # of any model that there is: a damaged file must not make us build more


def settings_of(
    path: Path, family: ModuleType, table: Mapping[str, Any], shapes: Shapes
) -> tuple[Any, Vocabulary, Head]:
    """What the family reads out of config.json. Raises CheckpointError where that can be no model's."""
    try:
        found: tuple[Any, Vocabulary, Head] = family.read_public_config(table, shapes)
    except DAMAGES as error:
        got = f"no usable {' '.join(str(error).split())[:400]}"
        raise CheckpointError.because(path, got, "a complete configuration", ACTION) from error
    for name in (field.name for field in fields(found[0]) if field.name.endswith("layers")):
        if isinstance(count := getattr(found[0], name), int) and count > MOST_LAYERS:
            got = f"{count} {name.replace('_', ' ')}"
            raise CheckpointError.because(path, got, f"at most {MOST_LAYERS}", ACTION)
    if found[1] != NO_TEXT:
        check_ids(path, found[1])
    _check_widths(path, found[0], shapes)
    return found


def _check_widths(path: Path, config: Any, shapes: Shapes) -> None:
    """That no width is beyond what is stored: tables are worked out from widths while a model is made.

    Of a vocabulary any side may be as long, so what is very wide must be so on both sides of one matrix.
    """
    longest = max((max(shape, default=0) for shape in shapes.values()), default=0)
    square = max((sorted(shape)[-2] for shape in shapes.values() if len(shape) > 1), default=0)
    for name in WIDTHS:
        value = getattr(config, name, None)
        most = square if name in ("d_model", "d_k") and (value or 0) > MOST_WIDTH else longest
        if value is not None and value > most:
            expected = f"at most {most}, as the weights beside it have"
            raise CheckpointError.because(path, f"{name} = {value}", expected, ACTION)


def check_ids(path: Path, vocabulary: Vocabulary) -> None:
    """That ids are numbers, and that those which are looked up in an embedding have a row there (−1: there is none).

    Raises CheckpointError.
    """
    for name, number in vars(vocabulary).items():
        rows = vocabulary.source if name == "source_pad" else vocabulary.target
        looked_up = name in ("source_pad", "pad", "start", "never")
        if name == "shared" or (number is None and name not in ("source", "target", "eos")):
            continue
        if type(number) is not int or (name in ("source", "target") and number < 1):
            got, expected = f"{name} = {str(number)[:80]!r} among its ids and sizes", "whole numbers, sizes above 0"
        elif looked_up and not -1 <= number < rows:
            got, expected = f"{name} = {number} among its ids", f"less than the {rows} rows of the embedding"
        else:
            continue
        raise CheckpointError.because(path, got, expected, ACTION)


def check_sizes(folder: Path, tokenizers: tuple[int, int], vocabulary: Vocabulary) -> None:
    """Public models may have spare rows behind the last id, but never fewer rows than ids."""
    if tokenizers[0] > vocabulary.source or tokenizers[1] > vocabulary.target:
        got = f"tokenizers of {tokenizers[0]} and {tokenizers[1]} ids with a model of {vocabulary.source}"
        got += f" and {vocabulary.target}"
        raise CheckpointError.because(folder, got, "no more ids than the model has", "use files saved together")


def check_weights(
    path: Path, family: ModuleType, parts: Any, form: PublicForm, shapes: Shapes, fresh: tuple[str, ...]
) -> Fit:
    """That the weights fit is found out by their shapes alone, before any memory is taken for them."""
    try:
        with _ShapesAlone():
            return check_fit(family.build(*parts), form, shapes, fresh=fresh)
    except DAMAGES as error:  # sizes that no tensor can have
        got, action = " ".join(str(error).split())[:400], "use the files that were saved together"
        raise CheckpointError.because(path, got, "possible sizes", action) from error


class _ShapesAlone(TorchFunctionMode):
    """New weights have shapes and no memory, and nothing is drawn for them.

    ``torch.device("meta")`` would do as much for every tensor; but to draw or to count without memory, torch loads its
    compiler, which takes longer than to load torch.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call ``func``, unless it draws."""
        if getattr(func, "__name__", "") in DRAWING:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **({**(kwargs or {}), "device": "meta"} if func in MAKING else kwargs or {}))
