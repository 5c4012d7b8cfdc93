"""Between a model of ours and the contents of a public checkpoint: its weights, its head, what fits and what not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from regard.errors import CheckpointError
from regard.models.heads import LEAST_LABELS, Head
from regard.models.state import mismatches, put_weights, weights_of
from regard.models.weight_names import PublicForm, Tensors

# Our names for the activations, and those of public configurations, of which some have several.
ACTIVATION_NAMES = {"relu": "relu", "gelu": "gelu", "silu": "silu", "gelu_tanh": "gelu_new"}
_ACTIVATIONS_READ = {theirs: ours for ours, theirs in ACTIVATION_NAMES.items()} | {
    "swish": "silu",
    "gelu_pytorch_tanh": "gelu_tanh",
}

Shapes = Mapping[str, list[int]]


class Fit(NamedTuple):
    """How a checkpoint fits a model: public names that were ignored, and our names that are not in it (``fresh``)."""

    ignored: tuple[str, ...]
    fresh: tuple[str, ...]


def public_weights(model: nn.Module, form: PublicForm, head: Head) -> Tensors:
    """The contents of ``model.safetensors``, in float32."""
    weights = {name: weight.float() for name, weight in weights_of(model).items()}
    return form.theirs(weights, headed=head.kind != "none")


def check_fit(model: nn.Module, form: PublicForm, shapes: Shapes, *, fresh: tuple[str, ...] = ()) -> Fit:
    """Whether tensors of these shapes are the weights of ``model``, which may be on the meta device.

    Weights whose names begin with one of ``fresh`` may be missing: they keep their first values. Raises CheckpointError
    that lists every missing, unknown and misshapen tensor.
    """
    tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    return _fitting(model, form, tensors, fresh)[1]


def put_public_weights(
    model: nn.Module, form: PublicForm, tensors: Mapping[str, Tensor], *, fresh: tuple[str, ...] = ()
) -> Fit:
    """Fill ``model`` from the contents of a checkpoint. Raises as ``check_fit``; then nothing has changed."""
    weights, fit = _fitting(model, form, tensors, fresh)
    own = weights_of(model)
    put_weights(model, {**{name: own[name] for name in fit.fresh}, **weights})
    return fit


def _fitting(
    model: nn.Module, form: PublicForm, tensors: Mapping[str, Tensor], fresh: tuple[str, ...]
) -> tuple[Tensors, Fit]:
    weights, ignored, unknown = form.ours(tensors)
    own = weights_of(model)
    new = tuple(name for name in own if name not in weights and name.startswith(fresh)) if fresh else ()
    spare = tuple(name for name in weights if name not in own and name.startswith(fresh)) if fresh else ()
    weights = {name: tensor for name, tensor in weights.items() if name not in spare}
    problems = [f"{name} has no place in this family" for name in unknown]
    problems += mismatches({name: tensor for name, tensor in own.items() if name not in new}, weights)
    if problems:
        shown = "; ".join(sorted(problems)[:20])
        action = "check that config.json and the weights belong together"
        raise CheckpointError.because("weights", shown, "the model's own names and shapes", action)
    return weights, Fit((*ignored, *spare), new)


def head_facts(head: Head, architectures: Mapping[str, str]) -> dict[str, Any]:
    """What ``config.json`` says of the head. ``architectures`` names the public class for each kind of head."""
    facts: dict[str, Any] = {"architectures": [architectures[head.kind]]}
    if head.labels:
        facts["id2label"] = {str(index): label for index, label in enumerate(head.labels)}
        facts["label2id"] = {label: index for index, label in enumerate(head.labels)}
    return facts


def head_of(table: Mapping[str, Any], architectures: Mapping[str, str]) -> Head:
    """The head that ``config.json`` tells of; a class that is not in ``architectures`` is read as the first kind."""
    named = next(iter(table.get("architectures") or ()), None)
    kind = next((kind for kind, name in architectures.items() if name == named), next(iter(architectures)))
    if kind not in LEAST_LABELS:
        return Head(kind)
    names = table.get("id2label") or {str(i): f"LABEL_{i}" for i in range(int(table.get("num_labels", 2)))}
    return Head(kind, tuple(str(names[index]) for index in sorted(names, key=int)))


def translated(config: Any, settings: Mapping[str, str]) -> dict[str, Any]:
    """The settings that have another name in ``config.json``: ``settings`` maps ours to theirs."""
    return {theirs: getattr(config, ours) for ours, theirs in settings.items()}


def translated_back(table: Mapping[str, Any], settings: Mapping[str, str]) -> dict[str, Any]:
    """Those of them that ``config.json`` has, under our names; the others keep our defaults."""
    return {ours: table[theirs] for ours, theirs in settings.items() if table.get(theirs) is not None}


def check_usual(table: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
    """Raises CheckpointError where ``config.json`` wants another model than ``usual`` says: a key may be missing."""
    for key, value in usual.items():
        if table.get(key) not in (None, value):
            action = "open a model without this variation"
            raise CheckpointError.because(key, repr(table[key]), f"{value!r}, the only kind there is here", action)


def activation_of(table: Mapping[str, Any], key: str, default: str) -> str:
    """Our name for the activation that ``config.json`` names. Raises CheckpointError for one that is not here."""
    name = table.get(key, default)
    if name not in _ACTIVATIONS_READ:
        action = "open a model with one of these"
        raise CheckpointError.because(key, repr(name), "one of " + ", ".join(_ACTIVATIONS_READ), action)
    return _ACTIVATIONS_READ[name]
