"""Looks as what the page's script reads: a head of names and texts, and all numbers in one array of bytes.

Every text is made visible here: control and direction characters stand in it as code points.
"""

from __future__ import annotations

import base64
import unicodedata
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Literal

import torch
from torch import Tensor

from regard.data.tokenizers.tokenizer_kinds import SPACE
from regard.looking.lettering import visible
from regard.looking.look import STACKS, AttentionStep, Choices, FeedForwardStep, Look, Side, Tree, Way, Words
from regard.looking.page.packing import Packing, Reference

Mode = Literal["single", "steps", "models"]
Head = dict[str, Any]
WAYS_AT_MOST = 300 * 1024  # bytes of all ways together, so that a page of a sentence stays below 1 MiB


def document(looks: Sequence[Look], mode: Mode, title: str) -> tuple[Head, bytes]:
    """The head and the bytes that it refers to.

    Ways are taken in order while their bytes stay within ``WAYS_AT_MOST``, shared evenly among looks; ``ways_left_out``
    says how many are not there.
    """
    packing = Packing()
    shown = [_look(look, packing, WAYS_AT_MOST // len(looks)) for look in looks]
    return {"title": visible(title), "mode": mode, "looks": shown}, packing.packed()


def _look(look: Look, packing: Packing, ways_at_most: int) -> Head:
    ways = _ways(look.ways, packing, ways_at_most)
    return {
        "name": visible(look.name),
        "family": look.family,
        "label": visible(look.label),
        "text": visible(look.text),
        "source": _side(look.source),
        "target": None if look.target is None else _side(look.target),
        "fed": None if look.fed is None else _side(look.fed),
        "stacks": {
            stack: _stack(look.attention.of(stack), packing) for stack in STACKS if len(look.attention.of(stack))
        },
        "summaries": {visible(name): _summary(matrix, packing) for name, matrix in look.summaries.items()},
        "summed": look.summed,
        "log_probabilities": _floats(look.log_probabilities, packing) if look.log_probabilities else None,
        "head": look.head,
        "choices": None if look.choices is None else _choices(look.choices, packing),
        "tree": None if look.tree is None else _tree(look.tree),
        "ways": ways,
        "ways_left_out": len(look.ways) - len(ways),
        "classes": [[visible(name), probability] for name, probability in look.classes.items()],
    }


def _side(side: Side) -> Head:
    if isinstance(side, Words):
        return {
            "kind": "words",
            "pieces": side.labels,
            "words": side.words,
            "groups": side.groups,
            "specials": list(side.specials),
            "rtl": _right_to_left(side.spelt(side.groups_of_text)),
        }
    picture = "data:image/png;base64," + base64.b64encode(side.picture).decode("ascii")
    before = [visible(token) for token in side.before]
    return {"kind": "cells", "rows": side.rows, "columns": side.columns, "before": before, "picture": picture}


def _right_to_left(words: Sequence[str]) -> bool:
    """Whether the first letter that has a direction (Unicode: a strong one) runs from right to left."""
    directions = (unicodedata.bidirectional(letter) for word in words for letter in word)
    return next((direction != "L" for direction in directions if direction in ("L", "R", "AL")), False)


def _stack(weights: Tensor, packing: Packing) -> Head:
    """``hidden``: the cells that are exactly zero in every head and layer, which is what a mask does."""
    hidden = (weights == 0).flatten(0, 1).all(0)
    return {"weights": packing.weights(weights), "hidden": packing.bits(hidden) if hidden.any() else None}


def _summary(matrix: Tensor, packing: Packing) -> Reference:
    within = bool(((matrix >= 0) & (matrix <= 1)).all())
    return packing.weights(matrix) if within else packing.vectors(matrix)


def _floats(values: Sequence[float], packing: Packing) -> Reference:
    return packing.floats(torch.tensor(values))


def _choices(choices: Choices, packing: Packing) -> Head:
    spaced = any(SPACE in piece for pieces in choices.pieces for piece in pieces)
    return {
        "pieces": [[_piece(piece, spaced) for piece in pieces] for pieces in choices.pieces],
        "logits": packing.floats(choices.logits),
        "temperatures": list(choices.temperatures),
        "normalisers": packing.floats(choices.normalisers),
    }


def _tree(tree: Tree) -> Head:
    spaced = any(SPACE in branch.piece for step in tree.steps for branch in step)
    steps = [[{**vars(branch), "piece": _piece(branch.piece, spaced)} for branch in step] for step in tree.steps]
    outputs = [{**vars(output), "text": visible(output.text)} for output in tree.outputs]
    return {"beam": tree.beam, "steps": steps, "outputs": outputs}


def _piece(piece: str, spaced: bool) -> str:
    """A piece for reading, as ``Words.labels`` writes it: one that continues a word begins with "·"."""
    special = piece.startswith("<") or piece.startswith("[")
    continues = spaced and not special and not piece.startswith(SPACE)
    return visible(("·" if continues else "") + (piece.removeprefix(SPACE).replace(SPACE, " ") or "␣"))


def _ways(ways: Sequence[Way], packing: Packing, at_most: int) -> list[Head]:
    """Those that fit. A way is packed to know its size, and only then taken."""
    shown: list[Head] = []
    left = at_most
    for way in ways:
        left -= _size(way)
        if left < 0:
            break
        shown.append(_way(way, packing))
    return shown


def _size(way: Way) -> int:
    trial = Packing()
    _way(way, trial)
    return len(trial)


def _way(way: Way, packing: Packing) -> Head:
    return {
        "side": way.side,
        "place": way.place,
        "token": packing.vectors(way.token),
        "position": None if way.position is None else packing.vectors(way.position),
        "start": packing.vectors(way.start),
        "layers": [[_step(step, packing) for step in layer] for layer in way.layers],
        "end": packing.vectors(way.end),
    }


def _step(step: AttentionStep | FeedForwardStep, packing: Packing) -> Head:
    values = {field.name: getattr(step, field.name) for field in fields(step)}
    return {name: packing.vectors(value) if isinstance(value, Tensor) else value for name, value in values.items()}
