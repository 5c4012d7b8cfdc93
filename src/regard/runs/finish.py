"""The end of a run: the weights to keep, their scores, the model folder, the report and the model card."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from regard.decoding.translator import Progress
from regard.evaluation.scores import Scores
from regard.evaluation.translation import score
from regard.looking.figures import lengths, schedule
from regard.runs.card import write_card
from regard.runs.folder import CARD, CHECKPOINTS, METRICS, REPORT, write_model
from regard.runs.journal import read_journal
from regard.runs.prepare import Prepared
from regard.runs.recipe import Recipe
from regard.runs.report import write_report
from regard.runs.validate import Validator
from regard.training.averaging import mean_of
from regard.training.checkpoint import checkpoints_in, kept_weights, step_of
from regard.training.schedule import Schedule

SAMPLES = 12


@dataclass(frozen=True)
class Finished:
    """The kept model, measured on the validation pairs."""

    scores: Scores
    loss: float
    perplexity: float
    averaged: tuple[int, ...]
    seconds: float


def finish(
    folder: Path,
    recipe: Recipe,
    prepared: Prepared,
    validator: Validator,
    best_steps: Sequence[tuple[float, int]],
    seconds: float,
    progress: Progress | None = None,
) -> Finished:
    """Write everything that a finished run holds. ``seconds`` is the training time so far."""
    chosen = checkpoints_to_average(folder / CHECKPOINTS, recipe, best_steps)
    validator.put(final_weights(chosen))
    loss = validator.loss()
    sources = [source for source, _ in prepared.valid_texts]
    references = [target for _, target in prepared.valid_texts]
    translations = [found.text for found in validator.translator.translate(sources, recipe.decode, progress)]
    done = Finished(
        score(translations, references), loss.nats_per_token, loss.perplexity, tuple(map(step_of, chosen)), seconds
    )
    facts = run_facts(recipe, prepared, validator, done)
    write_report(
        folder / REPORT,
        title=folder.name,
        settings_toml=recipe.to_toml(),
        metrics=read_journal(folder / METRICS),
        scores=done.scores.to_dict(),
        samples=list(zip(sources, references, translations, strict=True))[:SAMPLES],
        facts={**facts, "cleaning": prepared.cleaning},
        figures=_figures(recipe, prepared),
    )
    write_card(folder / CARD, _card(folder, facts, done))
    write_model(folder, recipe, validator.module, final_weights(chosen))
    return done


def checkpoints_to_average(folder: Path, recipe: Recipe, best_steps: Sequence[tuple[float, int]]) -> list[Path]:
    """The checkpoints whose mean is kept: the last ones, the best ones, or only the newest."""
    saved = checkpoints_in(folder)
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


def run_facts(recipe: Recipe, prepared: Prepared, validator: Validator, done: Finished) -> dict[str, dict[str, Any]]:
    """What a reader of the report and the card wants to know of the data, the model and its training."""
    train = recipe.train
    return {
        "data": {
            "source_file": recipe.data.source,
            "target_file": recipe.data.target,
            "training_pairs": len(prepared.train),
            "training_tokens": prepared.train.tokens[1],
            "validation_pairs": len(prepared.valid),
        },
        "model": {
            "family": recipe.family,
            "parameters": sum(weight.numel() for weight in validator.module.parameters()),
            "vocabulary": prepared.target.size,
        },
        "training": {
            "steps": train.steps,
            "mean_of_steps": ", ".join(map(str, done.averaged)),
            "seconds": round(done.seconds, 1),
            "seed": train.seed,
            "validation_loss": round(done.loss, 4),
            "validation_perplexity": round(done.perplexity, 3),
        },
    }


def _card(folder: Path, facts: Mapping[str, Any], done: Finished) -> dict[str, Any]:
    name = shlex.quote(str(folder))
    return {
        "name": folder.name,
        "summary": "A Transformer encoder–decoder, trained with regard.",
        "test_set": "the validation pairs",
        "scores": done.scores.to_dict(),
        "commands": {
            "translate": f"regard translate {name} FILE",
            "evaluate": f"regard evaluate {name} --source FILE --target FILE",
            "repeat": f"regard train {name}/recipe.toml --out ANOTHER_FOLDER",
        },
        **facts,
    }


def _figures(recipe: Recipe, prepared: Prepared) -> dict[str, Figure]:
    train = recipe.train
    rates = Schedule(train.schedule, train.learning_rate or 0.0, train.warmup or 1, train.steps or 1)
    measured = prepared.train.lengths
    return {
        "learning rate": schedule([rates.rate(step) for step in range(1, (train.steps or 1) + 1)]),
        "lengths": lengths(measured[:, 0], measured[:, 1]),
    }
