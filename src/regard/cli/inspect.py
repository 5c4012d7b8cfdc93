"""``regard inspect``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from regard.errors import SettingError


def inspect(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run, or a folder or hub name of a public checkpoint.")
    ] = None,
    source: Annotated[Path | None, typer.Option(metavar="FILE", help="Or a corpus: text to translate from,")] = None,
    target: Annotated[Path | None, typer.Option(metavar="FILE", help="and its translation.")] = None,
    test_source: Annotated[Path | None, typer.Option(metavar="FILE", help="A test set that must not be in it,")] = None,
    test_target: Annotated[Path | None, typer.Option(metavar="FILE", help="and its translation.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """What is in a run, a public checkpoint or a corpus, and what is wrong with it.

    Of a model: family, sizes, tokenizer, missing, ignored and tied weights, and known traps. Of a run, what was
    changed or damaged since it was trained, and numbers that are not finite; of a public checkpoint only the headers
    are read.

    Examples:
    - `regard inspect runs/de-en`

    - `regard inspect google-t5/t5-small --json`

    - `regard inspect --source train.de --target train.en --test-source test.de --test-target test.en`
    """
    if (run is None) == (source is None):
        raise SettingError.because("inspect", "neither" if run is None else "both", "a run or a corpus", "name one")
    for name, first, second in (("--source", source, target), ("--test-source", test_source, test_target)):
        if (first is None) != (second is None):
            raise SettingError.because(name, "one file of two", "a source and a target", "name both")
    if run is not None:
        _inspect_run(run, as_json)
    else:
        _inspect_corpus(source, target, (test_source, test_target), as_json)


def _inspect_run(run: str, as_json: bool) -> None:
    from regard.cli.console import print_table
    from regard.runs.checkpoints.inspect_checkpoint import inspect_checkpoint

    found = inspect_checkpoint(run)
    if as_json:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
        return
    print_table(run, ("", ""), found.rows())
    for trap in found.traps:
        print(f"\n- {trap}")


def _inspect_corpus(source: Any, target: Any, test: tuple[Any, Any], as_json: bool) -> None:
    from regard.cli.console import print_table
    from regard.data.inspection import inspect_pairs

    report = inspect_pairs(source, target, test if test[0] else None)
    if as_json:
        print(json.dumps(report.to_dict(), ensure_ascii=False))
        return
    print_table("What is in it", ("", str(source), str(target)), report.rows())
    print()
    if report.finding_rows():
        print_table("What may be wrong with it", ("", "lines", "where"), report.finding_rows())
    else:
        print("Nothing looks wrong.")
