"""``regard embed`` and ``regard search``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from regard.cli.opening import AllowNonfinite
from regard.cli.windows import windows
from regard.errors import DataError, SettingError

Run = Annotated[str, typer.Argument(metavar="RUN", help="A run, or a folder or hub name of a public checkpoint.")]
Pooling = Annotated[str, typer.Option(help="One vector out of all tokens': mean, first or last.")]


def embed(
    run: Run,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Texts, one a line; or standard input.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.npy", help="Write a NumPy array instead of lines.")] = None,
    pooling: Pooling = "mean",
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """A vector of length 1 for each text: a line of JSON each, or one array [texts, D].

    Examples:
    - `regard embed runs/sentences questions.txt --out questions.npy`

    - `echo "A dog runs." | regard embed runs/sentences`
    """
    import numpy as np

    from regard.runs.folder import load

    model = load(run, allow_nonfinite=allow_nonfinite)
    kept: list[Any] = []
    for texts in windows(None, file):
        vectors = model.embed(texts, pooling)
        if out:
            kept.append(vectors)
        else:
            for vector in vectors:
                print(json.dumps([round(float(x), 6) for x in vector]))
    if out:
        if not kept:
            raise DataError.because(file or "standard input", "no line", "texts, one a line", "check the file")
        _save(out, np.concatenate(kept))


def search(
    run: Run,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Texts to search in, one a line.")],
    query: Annotated[list[str], typer.Argument(metavar="QUERY…", help="What to look for.")],
    top: Annotated[int, typer.Option(help="Texts to show for each query.")] = 5,
    pooling: Pooling = "mean",
    as_json: Annotated[bool, typer.Option("--json", help="An object a query.")] = False,
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """Find the texts that mean nearly the same as a query, by the cosine of their vectors.

    Every line of the file is read by the model anew; for many searches keep the vectors of `regard embed --out`.

    Examples:
    - `regard search runs/sentences articles.txt "how attention works" --top 3`
    """
    from regard.cli.console import print_table
    from regard.data.corpus import read_lines
    from regard.evaluation.retrieval import nearest
    from regard.runs.folder import load

    if top < 1:
        raise SettingError.because("--top", top, "at least 1", "use 5")
    if not all(one.strip() for one in query):
        raise SettingError.because("QUERY", "an empty query", "some words to look for", "leave it out")
    numbered = [(number, line) for number, line in enumerate(read_lines(file), start=1) if line.strip()]
    if not numbered:
        raise DataError.because(file, "no line with text", "texts to search in", "check the file")
    lines, texts = map(list, zip(*numbered, strict=True))
    model = load(run, allow_nonfinite=allow_nonfinite)
    vectors = model.embed(texts, pooling)
    found = nearest(model.embed(list(query), pooling), vectors, min(top, len(texts)))
    for one, places, scores in zip(query, found.numbers, found.similarities, strict=True):
        rows = [(f"{score:.4f}", lines[place], texts[place]) for place, score in zip(places, scores, strict=True)]
        if as_json:
            hits = [
                {"similarity": float(score), "line": lines[place], "text": texts[place]}
                for place, score in zip(places, scores, strict=True)
            ]
            print(json.dumps({"query": one, "found": hits}, ensure_ascii=False))
        else:
            print_table(one, ("cosine", "line", "text"), rows)


def _save(path: Path, array: Any) -> None:
    import io

    import numpy as np

    from regard.storage import write_file

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_file(path, buffer.getvalue())
