"""``regard train``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from regard.errors import SettingError

STOPPED = 75  # "stopped cleanly, resume me"


def train(
    items: Annotated[
        list[str] | None, typer.Argument(metavar="[RECIPE.toml] [key=value …]", help="A recipe, and settings over it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="The folder to make.")] = None,
    source: Annotated[Path | None, typer.Option(metavar="FILE", help="Text to translate from.")] = None,
    target: Annotated[Path | None, typer.Option(metavar="FILE", help="Its translation, line by line.")] = None,
    valid_source: Annotated[Path | None, typer.Option(metavar="FILE", help="Validation text.")] = None,
    valid_target: Annotated[Path | None, typer.Option(metavar="FILE", help="Its translation.")] = None,
    budget: Annotated[str | None, typer.Option(metavar="TIME", help="Time for everything: 90s, 20m, 1h30m.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest whole checkpoint.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    settings: Annotated[bool, typer.Option("--settings", help="List every setting with its default.")] = False,
) -> None:
    """Train a translator from two text files.

    Files may be plain text, .gz, .tsv or .jsonl, one sentence a line. Without validation files, some pairs are
    held out. Without a recipe, the data decides what it can.

    Examples:
    - `regard train --source train.de --target train.en --out runs/de-en --budget 20m`

    - `regard train recipes/multi30k-de-en.toml --out runs/m30k train.seed=2 model.dropout=0.2`

    - `regard train --out runs/de-en --resume`
    """
    if settings:
        _list_settings()
        return
    from regard.cli.console import TrainingProgress
    from regard.config import merge, parse_overrides, read_toml
    from regard.runs.train import train as run

    if out is None:
        raise SettingError.because("--out", "nothing", "the folder of the run", "give --out runs/NAME")
    if resume and overwrite:
        raise SettingError.because("--resume", "--overwrite as well", "one of them", "leave one out")
    recipe, pairs = _recipe_and_pairs(items or [])
    table = merge(read_toml(recipe) if recipe else {}, parse_overrides(pairs))
    table = merge(table, _from_options(source, target, valid_source, valid_target, budget))
    with TrainingProgress() as progress:
        outcome = run(table, out, progress, resume=resume, overwrite=overwrite)
    if outcome.finished is None:
        if (out / "model.safetensors").exists():
            return
        again = f"regard train --out {shlex.quote(str(out))} --resume"
        progress.note(f"stopped after step {outcome.step}, saved; go on with: {again}")
        raise typer.Exit(STOPPED)
    _summarise(out, outcome.finished)


def _recipe_and_pairs(items: list[str]) -> tuple[Path | None, list[str]]:
    recipes = [item for item in items if "=" not in item]
    if len(recipes) > 1:
        got = " and ".join(recipes)
        raise SettingError.because("recipe", got, "at most one", "write settings as key=value")
    return Path(recipes[0]) if recipes else None, [item for item in items if "=" in item]


def _from_options(
    source: Path | None, target: Path | None, valid_source: Path | None, valid_target: Path | None, budget: str | None
) -> dict[str, Any]:
    data = {"source": source, "target": target, "valid_source": valid_source, "valid_target": valid_target}
    table: dict[str, Any] = {"data": {key: str(path) for key, path in data.items() if path is not None}}
    return {**table, "train": {"budget": budget}} if budget else table


def _list_settings() -> None:
    from regard.cli.console import print_table
    from regard.runs.recipe import describe

    rows = [(name, "" if default is None else default, text) for name, text, default in describe()]
    print_table("Settings (in a recipe, or as key=value)", ("setting", "default", "meaning"), rows)


def _summarise(out: Path, done: Any) -> None:
    from regard.cli.console import print_table

    print_table(
        f"{out}: {done.seconds:.0f} s, perplexity {done.perplexity:.2f} on the validation pairs",
        ("metric", "score", "95 %", "signature"),
        done.scores.rows(),
    )
    print(f"\nregard translate {shlex.quote(str(out))} FILE        report: {out / 'report.html'}")
