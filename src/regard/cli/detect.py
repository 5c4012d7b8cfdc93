"""``regard detect``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from regard.cli.opening import AllowNonfinite


def detect(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a folder or hub name of a public checkpoint.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE …", help="Pictures, or folders of them.")],
    threshold: Annotated[float, typer.Option(help="Objects are told of which the model is surer than that.")] = 0.5,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Pictures with the boxes drawn on them.")] = None,
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """Find objects in pictures: a JSON object a picture, with the label, score and box of each object.

    A box is left, top, right and bottom, in pixels.

    Examples:
    - `regard detect runs/cells new/*.jpg > found.jsonl`

    - `regard detect facebook/detr-resnet-50 street.jpg --threshold 0.9 --out marked`
    """
    from regard.cli.console import counting
    from regard.data.images.pictured import pictures_in
    from regard.runs.folder import load

    model = load(run, allow_nonfinite=allow_nonfinite)
    paths = pictures_in(files)
    marked = dict(zip(paths, _names(paths, out), strict=True)) if out is not None else {}
    with counting("looking for objects", len(paths)) as progress:
        for done, path in enumerate(paths, start=1):
            (found,) = model.detect([path], threshold)
            objects = [{"label": one.label, "score": round(one.score, 4), "box": _rounded(one.box)} for one in found]
            print(json.dumps({"file": str(path), "objects": objects}, ensure_ascii=False))
            if out is not None:
                _draw(path, found, model.head.labels, marked[path])
            progress(done)


def _names(paths: list[Path], out: Path) -> list[Path]:
    """Where each marked picture goes. Raises SettingError where one would take the place of another, or of its own."""
    from regard.errors import SettingError

    found = [out / f"{path.stem}.png" for path in paths]
    taken = {path.resolve() for path in paths}
    for path, name in zip(paths, found, strict=True):
        if name.resolve() in taken:
            got = f"{name} for {path}, which is the name of another picture or of one that is read"
            raise SettingError.because(
                "--out", got, "a picture of its own for each", "use another folder or other names"
            )
        taken.add(name.resolve())
    out.mkdir(parents=True, exist_ok=True)
    return found


def _rounded(box: tuple[float, ...]) -> list[float]:
    return [round(side, 2) for side in box]


def _draw(path: Path, found: Any, labels: tuple[str, ...], marked: Path) -> None:
    import numpy as np

    from regard.data.images.picture import read_picture
    from regard.looking.figures import save
    from regard.looking.pictures import detected

    picture = read_picture(path)
    save(detected([np.asarray(picture)], [found], [picture.size], labels), marked)
