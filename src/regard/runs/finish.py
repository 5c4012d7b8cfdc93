"""The end of a run: the weights to keep, their scores, the model folder, the report and the model card."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from regard.looking.figures import schedule
from regard.runs.checkpoints.adapter import write_adapter
from regard.runs.folder import CARD, CHECKPOINTS, METRICS, REPORT, write_model
from regard.runs.journal import read_journal
from regard.runs.material import Material
from regard.runs.material.contract import Progress, Results
from regard.runs.recipe import Recipe
from regard.runs.reporting.card import write_card
from regard.runs.reporting.report import write_report
from regard.runs.validate import Validator
from regard.training.averaging import mean_of
from regard.training.checkpoint import checkpoints_in, kept_weights, step_of
from regard.training.schedule import Schedule

SAMPLES = 12
ADAPTER = "adapter.safetensors"
# For each task: what its model does, the command for it, and what the hubs call it.
USES = {
    "translation": ("translate", "regard translate {run} FILE", "translation"),
    "next_token": ("complete", "regard complete {run} 'Once upon a time'", "text-generation"),
    "masked_token": ("fill", "regard fill {run} 'a text with one [MASK] in it'", "fill-mask"),
    "span_corruption": (
        "begin with it",
        "regard train --init {run} --source FILE --target FILE --out RUN",
        "text2text-generation",
    ),
    "denoising": ("restore", "regard translate {run} FILE", "text2text-generation"),
    "classification": ("classify", "regard classify {run} FILE", "text-classification"),
    "token_classification": ("classify", "regard classify {run} FILE", "token-classification"),
    "detection": ("detect", "regard detect {run} PICTURE …", "object-detection"),
    "captioning": ("caption", "regard caption {run} PICTURE …", "image-to-text"),
    "image_classification": ("classify", "regard classify {run} PICTURE …", "image-classification"),
    "embedding": ("search", "regard search {run} FILE 'a question'", "sentence-similarity"),
}


UNSEEN = "It has seen only the pictures named above: other cameras, sizes and kinds of things come out worse."
LIMITS = {  # what a user must know of models whose input is no text
    "image_classification": (UNSEEN, "It names one of its classes whatever it is shown, and may be sure of it."),
    "detection": (UNSEEN, "It finds nothing but its classes, and misses some of these."),
    "captioning": (UNSEEN, "A caption can be fluent and wrong: what it names need not be in the picture."),
}


@dataclass(frozen=True)
class Finished:
    """The kept model, measured on the validation data."""

    results: Results
    loss: float
    averaged: tuple[int, ...]
    seconds: float
    use: str

    @property
    def scores(self) -> Any:
        """What the task is judged by."""
        return self.results.scores

    @property
    def perplexity(self) -> float:
        """exp(loss)."""
        return math.exp(min(self.loss, 709.0))


def finish(
    folder: Path,
    material: Material,
    validator: Validator,
    best_steps: Sequence[tuple[float, int]],
    seconds: float,
    progress: Progress | None = None,
) -> Finished:
    """Write everything that a finished run holds. ``seconds`` is the training time so far."""
    recipe = material.recipe
    chosen = checkpoints_to_average(folder / CHECKPOINTS, recipe, best_steps)
    kept = final_weights(chosen)
    validator.put(kept)
    results = material.results(validator.module, progress)
    done = Finished(results, validator.loss(), tuple(map(step_of, chosen)), seconds, _use(folder, recipe)[1])
    facts = run_facts(material, validator, done)
    write_report(
        folder / REPORT,
        title=folder.name,
        settings_toml=recipe.to_toml(),
        metrics=read_journal(folder / METRICS),
        scores=results.scores.to_dict(),
        samples=results.samples[:SAMPLES],
        facts={**facts, **material.facts},
        figures=_figures(material, validator.module),
    )
    write_card(folder / CARD, _card(folder, material, facts, done))
    if recipe.init.lora_rank and material.begun is not None:
        learning = material.begun.learning(validator.module, material.head)
        write_adapter(folder / ADAPTER, kept, learning, recipe.init.lora_alpha / recipe.init.lora_rank, material.head)
    write_model(folder, recipe, validator.module, material.head)
    return done


def checkpoints_to_average(folder: Path, recipe: Recipe, best_steps: Sequence[tuple[float, int]]) -> list[Path]:
    """The checkpoints whose mean is kept: the last ones, the best ones, or only the newest."""
    saved = [path for path in checkpoints_in(folder) if step_of(path) > 0]  # that of step 0 has learnt nothing yet
    count = recipe.train.average_count
    if recipe.train.average == "last":
        return saved[-count:]
    if recipe.train.average == "best":
        by_step = {step_of(path): path for path in saved}
        best = [by_step[step] for _, step in best_steps if step in by_step][:count]
        return best or saved[-1:]
    return saved[-1:]


def final_weights(checkpoints: Sequence[Path]) -> Mapping[str, Tensor]:
    """The mean of the checkpoints' weights."""
    return mean_of([kept_weights(path) for path in checkpoints])


def run_facts(material: Material, validator: Validator, done: Finished) -> dict[str, dict[str, Any]]:
    """What a reader of the report and the card wants to know of the data, the model and its training."""
    recipe = material.recipe
    return {
        "data": material.described(),
        "model": {
            "family": recipe.family,
            "task": recipe.task.kind.replace("_", " "),
            **({"began_with": recipe.init.checkpoint} if recipe.init.checkpoint else {}),
            "parameters": sum(weight.numel() for weight in validator.module.parameters()),
            **({"vocabulary": material.vocabulary().target} if material.vocabulary().target else {}),
        },
        "training": {
            "steps": recipe.train.steps,
            "mean_of_steps": ", ".join(map(str, done.averaged)),
            "seconds": round(done.seconds, 1),
            "seed": recipe.train.seed,
            "validation_loss": round(done.loss, 4),
            "validation_perplexity": round(done.perplexity, 3),
        },
    }


def _card(folder: Path, material: Material, facts: Mapping[str, Any], done: Finished) -> dict[str, Any]:
    name, kind = shlex.quote(str(folder)), material.recipe.task.kind
    use, line = _use(folder, material.recipe)
    return {
        "name": folder.name,
        "summary": f"A {material.recipe.family} model for {kind.replace('_', ' ')}, trained with regard.",
        "pipeline_tag": USES[kind][2],
        "test_set": "the validation data",
        "scores": done.scores.to_dict(),
        **({"limits": LIMITS[kind]} if kind in LIMITS else {}),
        "commands": {use: line, "repeat": f"regard train {name}/recipe.toml --out ANOTHER_FOLDER"},
        **facts,
    }


def _use(folder: Path, recipe: Recipe) -> tuple[str, str]:
    """What the model is for, and the command that does it."""
    use, line, _ = USES[recipe.task.kind]
    return use, line.format(run=shlex.quote(str(folder)))


def _figures(material: Material, module: Any) -> dict[str, Figure]:
    train = material.recipe.train
    rates = Schedule(train.schedule, train.learning_rate or 0.0, train.warmup or 1, train.steps or 1)
    pictures = {"learning rate": schedule([rates.rate(step) for step in range(1, (train.steps or 1) + 1)])}
    return {**pictures, **material.figures(module)}
