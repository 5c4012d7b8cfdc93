"""``regard caption``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from regard.cli.opening import AllowNonfinite


def caption(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run that learnt captions.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE …", help="Pictures, or folders of them.")],
    language: Annotated[str | None, typer.Option(help="Of the captions, where the model knows several.")] = None,
    beam: Annotated[int | None, typer.Option(help="Hypotheses kept at each step; 1 is greedy.")] = None,
    n_best: Annotated[int | None, typer.Option(help="Captions of each picture.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="An object a line, with scores.")] = False,
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """Describe pictures: the caption, a tab, the file.

    Examples:
    - `regard caption runs/emoji new/*.png --language ko`

    - `regard caption runs/scenes pictures --beam 5 --n-best 3 --json`
    """
    from regard.cli.console import counting
    from regard.data.images.pictured import pictures_in
    from regard.runs.folder import load

    model = load(run, allow_nonfinite=allow_nonfinite)
    given = {"beam": beam, "n_best": n_best}
    settings = model.settings(**{name: value for name, value in given.items() if value is not None})
    paths = pictures_in(files)
    with counting("describing", len(paths)) as progress:
        found = model.captioner.caption(paths, settings, language)
        for done, (path, captions) in enumerate(zip(paths, found, strict=True), start=1):
            for line in _lines(path, captions, as_json):
                print(line)
            progress(done)


def _lines(path: Path, captions: Any, as_json: bool) -> list[str]:
    if not as_json:
        return [f"{one.text}\t{path}" for one in captions.n_best]
    table = [{"text": one.text, "score": one.score} for one in captions.n_best]
    return [json.dumps({"file": str(path), "captions": table}, ensure_ascii=False)]
