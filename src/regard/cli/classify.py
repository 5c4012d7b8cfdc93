"""``regard classify``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from regard.cli.opening import AllowNonfinite
from regard.cli.windows import windows
from regard.errors import SettingError


def classify(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a folder or hub name of a public checkpoint.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE …]", help="Texts, one a line; or standard input. Pictures, or folders of them."),
    ] = None,
    second: Annotated[Path | None, typer.Option(metavar="FILE", help="The second text of each pair.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="An object a line, with every class.")] = False,
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """Tell the class of each text: the label, a tab, its probability; or the labels of its words, with blanks between.

    Of a picture: the label, its probability and the file, with tabs between.

    Texts that are longer than the model has positions are cut, as in training.

    Examples:
    - `echo "정말 재미있었다" | regard classify runs/opinions`

    - `regard classify runs/opinions reviews.txt --json > found.jsonl`

    - `regard classify runs/same-meaning questions.txt --second other-questions.txt`

    - `regard classify runs/photos new/*.jpg more-photos`
    """
    from regard.cli.console import counting
    from regard.data.corpus import read_pairs
    from regard.runs.folder import load

    given = files or []
    file = given[0] if given else None
    if second is not None and file is None:
        raise SettingError.because("--second", "no FILE of first texts", "a file for each side", "name both files")
    model = load(run, allow_nonfinite=allow_nonfinite)
    if model.preparation is not None:
        _classify_pictures(model, given, as_json)
        return
    if len(given) > 1:
        raise SettingError.because("FILE", f"{len(given)} files of texts", "one", "join them, or name one")
    with counting("classifying", None) as progress:
        done = 0
        for texts in windows(read_pairs(file, second) if file and second else None, file):
            for text, found in zip(texts, model.classify(texts), strict=True):
                print(_line(text, found, as_json))
            done += len(texts)
            progress(done)


def _classify_pictures(model: Any, files: list[Path], as_json: bool) -> None:
    from regard.cli.console import counting
    from regard.data.images.pictured import pictures_in

    paths = pictures_in(files)
    with counting("classifying", len(paths)) as progress:
        for done, (path, found) in enumerate(
            zip(paths, model.picture_classifier.classify(paths), strict=True), start=1
        ):
            table = {"file": str(path), "label": found.label, "probabilities": dict(found.probabilities)}
            line = f"{found.label}\t{found.probability:.4f}\t{path}"
            print(json.dumps(table, ensure_ascii=False) if as_json else line)
            progress(done)


def _line(text: object, found: Any, as_json: bool) -> str:
    if isinstance(found, list):
        words = [{"word": one.word, "label": one.label, "probability": one.probability} for one in found]
        return json.dumps({"text": text, "words": words}, ensure_ascii=False) if as_json else _labels(found)
    if as_json:
        table = {"text": text, "label": found.label, "probabilities": dict(found.probabilities)}
        return json.dumps(table, ensure_ascii=False)
    return f"{found.label}\t{found.probability:.4f}"


def _labels(found: list[Any]) -> str:
    return " ".join(one.label for one in found)
