"""``regard train``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from regard.errors import SettingError

STOPPED = 75  # "stopped cleanly, resume me"
# What the tasks count while they learn, where it is not every token.
UNITS = {
    "classification": "texts",
    "token_classification": "words",
    "embedding": "couples",
    "image_classification": "pictures",
    "captioning": "words",
    "detection": "objects",
    "masked_token": "hidden tokens",
}


def train(
    items: Annotated[
        list[str] | None, typer.Argument(metavar="[RECIPE.toml] [key=value …]", help="A recipe, and settings over it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="RUN", help="The folder to make.")] = None,
    source: Annotated[Path | None, typer.Option(metavar="FILE", help="Text to translate from.")] = None,
    target: Annotated[Path | None, typer.Option(metavar="FILE", help="Its translation, line by line.")] = None,
    valid_source: Annotated[Path | None, typer.Option(metavar="FILE", help="Validation text.")] = None,
    valid_target: Annotated[Path | None, typer.Option(metavar="FILE", help="Its translation.")] = None,
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Text to learn from, or a table with labels.")
    ] = None,
    valid_text: Annotated[Path | None, typer.Option(metavar="FILE", help="The same for validation.")] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Pictures: FOLDER/CLASS/PICTURE, or a table that names them.")
    ] = None,
    valid_images: Annotated[Path | None, typer.Option(metavar="PATH", help="The same for validation.")] = None,
    label: Annotated[str | None, typer.Option(metavar="COLUMN", help="The table's column of labels.")] = None,
    init: Annotated[
        str | None,
        typer.Option(metavar="RUN_OR_CHECKPOINT", help="Begin with these weights: a run, folder or hub name."),
    ] = None,
    budget: Annotated[str | None, typer.Option(metavar="TIME", help="Time for everything: 90s, 20m, 1h30m.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest whole checkpoint.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the folder.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Begin though this machine has too little memory for the model.")
    ] = False,
    verify_determinism: Annotated[
        bool, typer.Option("--verify-determinism", help="Only make the first 20 steps twice, and compare them.")
    ] = False,
    settings: Annotated[bool, typer.Option("--settings", help="List every setting with its default.")] = False,
) -> None:
    """Train a model: a translator from two text files, a language model from one, a classifier from a table.

    Files may be plain text, .gz, .tsv or .jsonl, one sentence a line. Pictures lie in a folder for each class, or a
    table names them with their classes or captions, or a COCO file with boxes. Without validation files, some of the
    data is held out. Without a recipe, the data decides what it can. `family=` and `task.kind=` choose among the
    families and what they learn.

    Examples:
    - `regard train --source train.de --target train.en --out runs/de-en --budget 20m`

    - `regard train --text shakespeare.txt data.unit=file tokenizer.kind=character --out runs/shakespeare`

    - `regard train --text reviews.txt task.kind=masked_token --out runs/reviews`

    - `regard train --init runs/reviews --text labelled.tsv --label label --out runs/opinions`

    - `regard train --images photos --out runs/photos model.image_size=64 model.patch=8`

    - `regard train --images boxes.json family=detr train.learning_rate=2e-4 --out runs/cells`

    - `regard train recipes/multi30k-de-en.toml --out runs/m30k train.seed=2 model.dropout=0.2`

    - `regard train --out runs/de-en --resume`

    - `regard train recipes/multi30k-de-en.toml --verify-determinism`

    - `regard train --settings family=bert` (every setting with its default)
    """
    recipe, pairs = _recipe_and_pairs(items or [])
    if settings:
        _list_settings(_given(recipe, pairs))
        return
    from regard.cli.console import TrainingProgress
    from regard.config import merge
    from regard.runs.train import train as run

    if verify_determinism and (out is not None or resume):
        got = "it with " + ("--out" if out is not None else "--resume")
        raise SettingError.because("--verify-determinism", got, "it alone, as it keeps nothing", "leave one out")
    if resume and overwrite:
        raise SettingError.because("--resume", "--overwrite as well", "one of them", "leave one out")
    files = {
        "source": source,
        "target": target,
        "valid_source": valid_source,
        "valid_target": valid_target,
        "text": text,
        "valid_text": valid_text,
        "images": images,
        "valid_images": valid_images,
    }
    table = merge(_given(recipe, pairs), _from_options(files, label, init, budget))
    if verify_determinism:
        _verify_determinism(table)
        return
    if out is None:
        raise SettingError.because("--out", "nothing", "the folder of the run", "give --out runs/NAME")
    with TrainingProgress(_unit(table, out, resume)) as progress:
        outcome = run(table, out, progress, resume=resume, overwrite=overwrite, force=force)
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


def _given(recipe: Path | None, pairs: list[str]) -> dict[str, Any]:
    """The recipe with the settings of the command line laid over it."""
    from regard.config import merge, parse_overrides, read_toml

    return merge(read_toml(recipe) if recipe else {}, parse_overrides(pairs))


def _verify_determinism(table: Mapping[str, Any]) -> None:
    from regard.runs.same_bits import STEPS, digest_of_two

    digest = digest_of_two(table)
    print(f"{STEPS} steps made twice: the same weights and optimizer, SHA-256 {digest}")


def _unit(table: Mapping[str, Any], out: Path, resume: bool) -> str:
    """What the task counts while it learns."""
    from regard.runs.folder import RECIPE, read_recipe
    from regard.runs.recipe import kind_of

    kind = read_recipe(out).task.kind if resume and (out / RECIPE).exists() else kind_of(table)
    return UNITS.get(kind, "tokens")


def _from_options(
    files: Mapping[str, Path | None], label: str | None, init: str | None, budget: str | None
) -> dict[str, Any]:
    data = {name: str(path) for name, path in files.items() if path is not None}
    table: dict[str, Any] = {"data": {**data, "label_column": label} if label else data}
    if init:
        table["init"] = {"checkpoint": init}
    return {**table, "train": {"budget": budget}} if budget else table


def _list_settings(table: Mapping[str, Any]) -> None:
    from regard.cli.console import print_table
    from regard.runs.recipe import describe, recipe_from

    recipe = recipe_from(table)
    rows = [(name, "" if value is None else value, text) for name, text, value in describe(recipe)]
    title = f"Settings of family={recipe.family} (in a recipe, or as key=value)"
    print_table(title, ("setting", "default", "meaning"), rows)


def _summarise(out: Path, done: Any) -> None:
    from regard.cli.console import print_table

    title = f"{out}: {done.seconds:.0f} s, loss {done.loss:.4f} on the validation data"
    print_table(title, done.results.columns, done.scores.rows())
    print(f"\n{done.use}        report: {out / 'report.html'}")
