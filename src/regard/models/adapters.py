"""Low-rank changes of a whole model: put in, taken out, and merged into the weights that they change."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor, nn

from regard.errors import CheckpointError, SettingError
from regard.layers.lora import LowRankLinear
from regard.models.state import put_weights, weights_of

DOWN, UP = ".down", ".up"


def add_adapters(
    model: nn.Module, rank: int, alpha: float, targets: Collection[str], learning: Collection[str] = ()
) -> None:
    """Give every linear map that is called by one of ``targets`` a change of its own, and freeze all other weights.

    The weights called ``learning`` (a new head) go on learning as they are. Raises SettingError where no map is
    called so.
    """
    found = [
        (parent, name, child)
        for path, parent in list(model.named_modules())
        for name, child in list(parent.named_children())
        if name in targets and isinstance(child, nn.Linear) and f"{path}.{name}.weight" not in learning
    ]
    if not found:
        known = sorted(
            {name.rpartition(".")[2] for name, child in model.named_modules() if isinstance(child, nn.Linear)}
        )
        got = ", ".join(targets) or "nothing"
        raise SettingError.because("init.lora_targets", got, "names of linear maps", f"use some of {', '.join(known)}")
    for name, weight in model.named_parameters():
        weight.requires_grad_(name in learning)
    for parent, name, child in found:
        setattr(parent, name, LowRankLinear(child, rank, alpha))


def adapters_of(weights: Mapping[str, Tensor], learning: Collection[str] = ()) -> dict[str, Tensor]:
    """What was trained and nothing else: the changes, and the weights called ``learning``."""
    return {name: weight for name, weight in weights.items() if name.endswith((DOWN, UP)) or name in learning}


def merged(weights: Mapping[str, Tensor], scale: float) -> dict[str, Tensor]:
    """Weights without changes of their own: each W becomes W + scale · B A.

    Raises CheckpointError for a change that has no W of its shape.
    """
    plain = {name: weight for name, weight in weights.items() if not name.endswith((DOWN, UP))}
    for name in weights.keys() - plain.keys():
        base = name.removesuffix(DOWN).removesuffix(UP)
        found = (weights.get(f"{base}{ending}") for ending in (DOWN, UP, ".weight"))
        shapes = [[] if tensor is None else list(tensor.shape) for tensor in found]
        if not _fit(*shapes):
            got = f"a change of {base} with the shapes {shapes}"
            expected = "[rank, in] and [out, rank] of a map [out, in] that the model has"
            raise CheckpointError.because("adapter", got, expected, "use the model that it was trained on")
        if name.endswith(DOWN):
            plain[f"{base}.weight"] = plain[f"{base}.weight"] + scale * (weights[f"{base}{UP}"] @ weights[name])
    return plain


def _fit(down: list[int], up: list[int], weight: list[int]) -> bool:
    """Whether W [out, in] has the shape of B [out, r] times A [r, in]."""
    return len(down) == len(up) == len(weight) == 2 and [up[0], down[1], down[0]] == [*weight, up[1]]


def apply_adapter(model: nn.Module, adapter: Mapping[str, Tensor], scale: float) -> None:
    """Merge what ``adapters_of`` gave into a model of which it is a change. ``scale``: α / r.

    Raises CheckpointError where it is the change of another model; nothing has changed then.
    """
    put_weights(model, merged({**weights_of(model), **adapter}, scale))
