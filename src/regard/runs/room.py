"""Whether a model has room in memory, told before anything of it is made.

    bytes ≥ parameters · 4 · (weight + gradient + the optimizer's statistics [+ running average])

What batches take comes on top of it, so that only models are refused which surely do not fit.
"""

from __future__ import annotations

import dataclasses
import math
from types import ModuleType
from typing import Any

import torch

from regard import families
from regard.errors import SettingError
from regard.runs.doctor.machine import CONTROL_GROUPS, limit_of_memory, memory_of_machine
from regard.runs.recipe import Recipe
from regard.training.adam import Adam
from regard.training.muon import Muon
from regard.training.settings import TrainSettings

GIB = 2**30
NUMBER = 4  # bytes: weights, gradients and statistics are float32, whatever the products are
STATISTICS = {"adam": len(Adam.remembers), "adamw": len(Adam.remembers), "muon": len(Muon.remembers)}  # at least
FEW_LAYERS = (1, 2)  # that are really put together; the others are like them
STACKS = ("layers", "decoder_layers")
SQUARES = 40  # of its largest number are a layer's weights at most: 18 in the paper's decoder with d_ff = d_model


def refuse_too_large(recipe: Recipe, source: int, target: int, *, shared: bool) -> None:
    """Raise SettingError where a model with so many ids on each side cannot be trained in this machine's memory."""
    if recipe.train.device != "cpu":
        return
    room = memory_here()
    family = families.get(recipe.family)
    if bytes_needed(at_most(recipe.model, source + target), recipe.train) <= room:
        return  # and torch need not load the second's worth of modules that counting takes
    count = count_parameters(family, recipe.model, source, target, shared=shared)
    learning = _learning(recipe)
    if count is None or bytes_needed(count, recipe.train, learning) <= room:
        return
    fits = [
        name
        for name, config in family.SIZES.items()
        if bytes_needed(at_most(config, source + target), recipe.train, learning) <= room
        or bytes_needed(count_parameters(family, config, source, target, shared=shared) or 0, recipe.train) <= room
    ]
    needed = bytes_needed(count, recipe.train, learning) / GIB
    got = f"{count:.3g} parameters, which take {needed:,.0f} GiB with their gradients and {recipe.train.optimizer}"
    if not math.isfinite(count):
        got = "sizes that no tensor can have"
    expected = f"at most the {room / GIB:.1f} GiB of this machine, and room for the batches"
    action = f"use a smaller one, such as model.size={fits[-1]}" if fits else "lower model.layers and model.d_model"
    raise SettingError.because("model", got, expected, action)


def _learning(recipe: Recipe) -> bool:
    """Whether all weights learn, as far as is known yet: frozen ones have neither gradients nor statistics."""
    return not (recipe.init.lora_rank or recipe.init.freeze)


def bytes_needed(parameters: float, settings: TrainSettings, learning: bool = True) -> float:
    """Of weights and, where they are ``learning``, of gradients and all that the optimizer keeps of them."""
    numbers = 2 + STATISTICS[settings.optimizer] + (settings.average == "running") if learning else 1
    return parameters * NUMBER * numbers


def at_most(config: Any, ids: int) -> float:
    """More weights than a model has, from its settings alone: ``SQUARES`` a layer, and tables of ids and positions."""
    numbers = {name: value for name, value in vars(config).items() if type(value) is int}
    layers = 2 * max((numbers.pop(name, 1) for name in STACKS), default=1) + sum(getattr(config, "depths", ()))
    heads = numbers.get("heads", 1)
    channels = getattr(config, "widths", ())
    widest = max(*numbers.values(), *channels, heads * max(numbers.get("d_k", 1), numbers.get("d_v", 1)), 1)
    return float(SQUARES * layers * widest**2 + (ids + 2 * widest) * widest)


def memory_here() -> int:
    """Bytes of the machine, or those that a control group grants."""
    total, _ = memory_of_machine()
    return min(total, limit_of_memory(CONTROL_GROUPS) or total)


def count_parameters(family: ModuleType, config: Any, source: int, target: int, *, shared: bool) -> float | None:
    """How many weights a model has: of one with a layer or two put together without memory, and so many more of these.

    None where a family cannot be put together like this; infinite where its numbers are beyond any tensor.
    """
    stacks = [name for name in STACKS if getattr(config, name, None) is not None]
    few, more = FEW_LAYERS
    try:
        smallest = _built(family, dataclasses.replace(config, **dict.fromkeys(stacks, few)), source, target, shared)
        count = float(smallest)
        for name in stacks:
            one_more = {**dict.fromkeys(stacks, few), name: more}
            layer = _built(family, dataclasses.replace(config, **one_more), source, target, shared) - smallest
            count += layer * (getattr(config, name) - few)
    except NotImplementedError:  # it does with its weights what torch cannot do without memory
        return None
    except (RuntimeError, TypeError, OverflowError):  # sizes that no tensor can have
        return math.inf
    return count


def _built(family: ModuleType, config: Any, source: int, target: int, shared: bool) -> int:
    """The weights of a model on torch's device without memory."""
    roles = dict.fromkeys(("eos", "pad", "bos", "sep", "mask"), 0)
    with torch.device("meta"):
        model = family.build(config, family.vocabulary(source, target, shared=shared, roles=roles))
    return sum(weight.numel() for weight in model.parameters())
