"""``regard compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from regard.errors import SettingError


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN …", help="Folders of trained runs.")],
    source: Annotated[Path, typer.Option(metavar="FILE", help="Test text to translate.")],
    target: Annotated[Path, typer.Option(metavar="FILE", help="Reference translations, line by line.")],
    beam: Annotated[int | None, typer.Option(help="Hypotheses kept at each step; 1 is greedy.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="PICTURE", help="Draw it too: .png, .svg or .pdf.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Several runs on one test set: a table, and a chart; each is tested against the first.

    Example:
    - `regard compare runs/small runs/large --source test.de --target test.en --out compare.png`
    """
    from regard.cli.console import counting, print_table
    from regard.data.corpus import read_pairs
    from regard.evaluation.compare import HEADINGS, Entry
    from regard.evaluation.compare import compare as compare_entries
    from regard.looking.figures import comparison, picture_suffix, save
    from regard.runs.folder import load, training_seconds
    from regard.runs.measure import measure

    names = [str(run) for run in runs]
    if len(set(names)) < len(names):
        raise SettingError.because("RUN", ", ".join(names), "every run once", "leave the repeated one out")
    if out:
        picture_suffix(out)
    sources, references = map(list, zip(*read_pairs(source, target), strict=True))
    entries = []
    for name, folder in zip(names, runs, strict=True):
        model = load(folder)
        settings = model.settings(beam=beam) if beam is not None else model.decoding
        with counting(f"translating with {name}", len(sources)) as progress:
            found = measure(model, sources, references, settings, progress)
        seconds, surprise = training_seconds(folder), found.perplexity.perplexity
        entries.append(Entry(name, found.translations, model.parameters, seconds, surprise))
    rows = compare_entries(entries, references)
    if as_json:
        print(json.dumps([row.to_dict() for row in rows], ensure_ascii=False))
    else:
        print_table(f"{source} → {target}", HEADINGS, [row.cells() for row in rows])
    if out:
        save(comparison(rows), out)
