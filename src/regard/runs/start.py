"""Beginning with the weights of another run, or of a public checkpoint, instead of with chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regard.config import merge, to_table
from regard.data.images.preparation import FITS
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.errors import SettingError
from regard.models.adapters import add_adapters
from regard.models.heads import Head
from regard.models.state import put_weights, weights_of
from regard.models.vocabulary import Vocabulary
from regard.runs.checkpoints.adapter import NEW
from regard.runs.folder import load
from regard.runs.material.begun import CLASSES, Begun
from regard.runs.model import Model
from regard.runs.recipe import Recipe
from regard.training.optimizer import check_beginnings

SOURCE_ROWS = ("encoder.embed.tokens.weight", "stack.embed.tokens.weight")
TARGET_ROWS = ("decoder.embed.tokens.weight", "output.weight", "output.bias")
SOURCE_IDS, TARGET_IDS = ("source_pad",), ("eos", "pad", "start", "never", "bos", "sep", "mask")


@dataclass(frozen=True)
class Side:
    """A tokenizer with the new words, the new id of each id that it had, and which of these are no special ones."""

    tokenizer: Tokenizer
    moved: np.ndarray
    words: np.ndarray

    @classmethod
    def of(cls, tokenizer: Tokenizer, words: tuple[str, ...]) -> Side:
        """The tokenizer with these words added."""
        extended, moved = tokenizer.extended(words) if words else (tokenizer, np.arange(tokenizer.size))
        return cls(extended, moved, np.setdiff1d(np.arange(tokenizer.size), list(tokenizer.specials)))

    def size(self, rows: int) -> int:
        """The ids of a model that had ``rows``: public ones may have spare rows behind those of the tokenizer."""
        return max(rows, self.tokenizer.size)

    def new_id(self, index: int | None) -> int | None:
        """Where an id of the model is now; −1 stays what it says: none."""
        return index if index is None or not 0 <= index < len(self.moved) else int(self.moved[index])

    def rows(self, old: Tensor, count: int) -> Tensor:
        """The rows of ids at their new places; a new word begins as the mean of all words."""
        new = np.setdiff1d(np.arange(self.tokenizer.size), self.moved)
        rows = torch.cat((old, old.new_zeros(max(0, count - len(old)), *old.shape[1:])))
        rows[torch.from_numpy(self.moved)] = old[: len(self.moved)]
        if len(new):
            rows[torch.from_numpy(new)] = old[torch.from_numpy(self.words)].mean(0)
        return rows


@dataclass(frozen=True)
class Start:
    """A model to begin with, and its two sides, which may be one."""

    model: Model
    sides: tuple[Side, Side] | tuple[()]

    @property
    def tokenizers(self) -> tuple[Tokenizer, Tokenizer] | tuple[()]:
        """Those of the two sides, with the new words."""
        return (self.sides[0].tokenizer, self.sides[1].tokenizer) if self.sides else ()

    def begun(self) -> Begun:
        """What a run remembers of it."""
        ids: Vocabulary = self.model.module.ids
        names = tuple(weights_of(self.model.module))
        if not self.sides:
            return Begun(ids, names, self.model.head)
        source, target = self.sides
        found: dict[str, Any] = {name: source.new_id(getattr(ids, name)) for name in SOURCE_IDS}
        found |= {name: target.new_id(getattr(ids, name)) for name in TARGET_IDS}
        end = source.tokenizer.eos
        found["eos"] = end if found["eos"] == -1 and end is not None else found["eos"]
        roles = [("bos", "bos"), ("sep", "sep"), ("mask", "mask"), ("pad", "pad")]
        roles += [] if self.model.preparation else [("source_pad", "pad")]  # pictures have no padding
        for name, role in roles:
            if found[name] is None:  # config.json need not say it
                given = getattr(source.tokenizer, role)
                found[name] = end if given is None and role == "pad" else given
        found |= {"source": source.size(ids.source), "target": target.size(ids.target)}
        return Begun(replace(ids, **found), names, self.model.head)

    def weights_for(self, module: nn.Module, head: Head) -> dict[str, Tensor]:
        """The weights of ``module`` with all that it has in common with the model to begin with.

        Raises SettingError where it is of other sizes.
        """
        given, own = weights_of(self.model.module), weights_of(module)
        if head != self.model.head:  # other classes
            given = {name: tensor for name, tensor in given.items() if not name.startswith(CLASSES)}
        for side, names in zip(self.sides, (SOURCE_ROWS, TARGET_ROWS), strict=False):
            given |= {name: side.rows(given[name], len(own[name])) for name in names if name in given and name in own}
        problems = [
            f"{name} has shape {list(given[name].shape)}, not {list(own[name].shape)}"
            for name in own.keys() & given.keys()
            if given[name].shape != own[name].shape
        ]
        problems += [f"{name} is missing" for name in own if name not in given and not name.startswith(NEW)]
        if problems:
            action = "leave model.… as the checkpoint has it"
            raise SettingError.because("--init", "; ".join(sorted(problems)[:20]), "a model of the same sizes", action)
        return {**own, **{name: tensor for name, tensor in given.items() if name in own}}


def begin_from(table: Mapping[str, Any], name: str) -> tuple[dict[str, Any], Start]:
    """The recipe's table with the family and sizes of the checkpoint laid under it, and what to begin with."""
    model = load(name)
    if table.get("family", model.family) != model.family:
        action = f"leave family out, or write family={model.family}"
        raise SettingError.because("family", table["family"], f"{model.family}, as the checkpoint has it", action)
    sizes = table.get("model", {})
    if isinstance(sizes, Mapping) and "size" in sizes:
        expected = "the sizes of the checkpoint to begin with"
        raise SettingError.because("model.size", repr(sizes["size"]), expected, "leave it out")
    under = {"family": model.family, "model": to_table(model.config)}
    sides = _sides(model, tuple(table.get("init", {}).get("new_tokens", ())))
    return merge(merge(under, _as_prepared(model)), table), Start(model, sides)


def _as_prepared(model: Model) -> dict[str, Any]:
    """The sizes and colours of pictures, which a file beside the model tells. ViT's positions know its own size."""
    prepared = model.preparation
    if prepared is None:
        return {}
    images: dict[str, Any] = {"mean": list(prepared.mean), "deviation": list(prepared.deviation)}
    if prepared.fit in FITS:
        images["fit"] = prepared.fit
    sizes = {"image_size": prepared.size, "longest_side": prepared.longest}
    known = {name: size for name, size in sizes.items() if hasattr(model.config, name) and size is not None}
    return {"images": images, "model": {} if hasattr(model.config, "patch") else known}


def _sides(model: Model, words: tuple[str, ...]) -> tuple[Side, Side] | tuple[()]:
    """One side for both where the tokenizers are one, and none where there is no text."""
    if not model.tokenizers:
        return ()
    source = Side.of(model.source_tokenizer, words)
    same = model.target_tokenizer is model.source_tokenizer
    return source, (source if same else Side.of(model.target_tokenizer, words))


def initialise(module: nn.Module, start: Start, head: Head) -> None:
    """Give ``module`` the weights to begin with. Raises SettingError where it is of other sizes."""
    put_weights(module, start.weights_for(module, head))


def restrict(module: nn.Module, recipe: Recipe, begun: Begun | None, head: Head) -> None:
    """Freeze what the recipe names, or all but low-rank changes and what is new. Raises SettingError."""
    init = recipe.init
    if init.lora_rank and begun is not None:
        learning = begun.learning(module, head)
        add_adapters(module, init.lora_rank, init.lora_alpha, init.lora_targets, learning)
    check_beginnings("init.freeze", init.freeze, [name for name, _ in module.named_parameters()])
    for name, weight in module.named_parameters():
        if init.freeze and name.startswith(init.freeze):
            weight.requires_grad_(False)
