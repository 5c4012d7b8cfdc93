"""``regard evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from regard.cli.opening import AllowNonfinite
from regard.errors import SettingError


def evaluate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a folder or hub name of a public checkpoint.")],
    source: Annotated[Path | None, typer.Option(metavar="FILE", help="Test text to translate or to sum up.")] = None,
    target: Annotated[Path | None, typer.Option(metavar="FILE", help="What should come out, line by line.")] = None,
    text: Annotated[Path | None, typer.Option(metavar="FILE", help="Test text by itself, or a table of it.")] = None,
    label: Annotated[str | None, typer.Option(metavar="COLUMN", help="The table's column of labels.")] = None,
    text_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="Its column of texts.")] = None,
    second_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="Its column of second texts.")] = None,
    unit: Annotated[str | None, typer.Option(help="What one text is in plain text: line, paragraph or file.")] = None,
    against: Annotated[str | None, typer.Option(metavar="RUN2", help="Another run, compared one by one.")] = None,
    alignments: Annotated[
        Path | None, typer.Option(metavar="FILE", help="True word alignments of the pairs, in Pharaoh format.")
    ] = None,
    rouge: Annotated[bool, typer.Option("--rouge", help="ROUGE as well, for summaries.")] = False,
    beam: Annotated[int | None, typer.Option(help="Hypotheses kept at each step; 1 is greedy.")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="α of the length penalty.")] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Translate with products in 8 bits, where this machine can.")
    ] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write translations or labels here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    allow_leak: Annotated[
        bool, typer.Option("--allow-leak", help="Score even where more than a tenth of the test was trained on.")
    ] = False,
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """Score a run on a test set, by what it learnt.

    - Translators and summarisers (`--source`, `--target`): BLEU, chrF and TER with sacreBLEU signatures and 95 %
      intervals, and perplexity; with `--rouge`, ROUGE; with `--against`, the paired bootstrap. With `--alignments`,
      instead of all that, the alignment error rate of their attention, which is told the target.

    - Classifiers (`--text TABLE`): accuracy with its 95 % interval, F1, each class, and what was taken for what; with
      `--against`, McNemar's test.

    - Language models (`--text FILE`): nats per token, word and byte, and bits per byte. Models of hidden tokens:
      nats per hidden token, which are the same ones each time.

    - Models of vectors (`--source`, `--target`): how often the right line is among the nearest.

    Examples:
    - `regard evaluate runs/de-en --source test.de --target test.en`

    - `regard evaluate runs/big --source test.de --target test.en --against runs/small --json`

    - `regard evaluate runs/de-en --source test.de --target test.en --alignments test.de-en.align`

    - `regard evaluate runs/opinions --text test.tsv --label label`
    """
    from regard.cli import evaluated
    from regard.runs.folder import load
    from regard.runs.measure_texts import Columns

    of_text = {"--label": label, "--text-column": text_column, "--second-column": second_column, "--unit": unit}
    of_pairs = {"--beam": beam, "--length-penalty": length_penalty, "--rouge": rouge, "--fast": fast}
    evaluated.check_files("evaluate", (source, target, text), {**of_pairs, "--alignments": alignments}, of_text)
    if alignments is not None:
        evaluated.check_unheeded("--alignments", {**of_pairs, "--out": out})
    models = [load(name, allow_nonfinite=allow_nonfinite) for name in [run, *([against] if against else [])]]
    names = [run, *([against] if against else [])]
    kinds = {evaluated.kind_of(model, text is not None) for model in models}
    if len(kinds) > 1 or (against and kinds & {"text", "couples"}):
        got = f"{against}, " + ("which learnt something else" if len(kinds) > 1 else "of a kind without a paired test")
        raise SettingError.because("--against", got, "two translators or two classifiers", "score each by itself")
    (kind,) = kinds
    leaks = []
    if alignments is None:  # of which there are few, of sentences that may well be part of the training
        columns = Columns(text_column, second_column, label)
        leaks = evaluated.leaks(names, models, kind, (source, target, text), columns, allowed=allow_leak)
    match kind:
        case "translations":
            assert source is not None
            assert target is not None
            if alignments is None:
                settings = _settings(models, beam=beam, length_penalty=length_penalty, fast=fast)
                shown = evaluated.translations(names, models, (source, target), settings, rouge, out)
            else:
                shown = evaluated.alignments(names, models, (source, target), alignments)
        case "labels":
            assert text is not None
            shown = evaluated.labels(names, models, text, Columns(text_column, second_column, label), out)
        case "text":
            assert text is not None
            shown = evaluated.text(run, models[0], text, unit)
        case _:
            assert source is not None
            assert target is not None
            shown = evaluated.couples(run, models[0], source, target)
    _print(shown, leaks, as_json)


def _settings(models: list[Any], *, beam: int | None, length_penalty: float | None, fast: bool) -> dict[str, Any]:
    """The settings that were given. Says where a model cannot heed ``fast``."""
    from regard.cli.console import say_if_not_fast

    changes = {"beam": beam, "length_penalty": length_penalty, "products": "int8" if fast else None}
    settings = {name: value for name, value in changes.items() if value is not None}
    for model in models if fast else ():
        say_if_not_fast(model, model.settings(**settings))
    return settings


def _print(shown: Any, leaks: list[str], as_json: bool) -> None:
    from regard.cli.console import messages, print_table

    for leak in leaks:
        messages().print(leak, markup=False)
    if as_json:
        print(json.dumps(shown.table, ensure_ascii=False))
        return
    for number, (title, headings, rows) in enumerate(shown.tables):
        if number:
            print()
        print_table(title, headings, rows)
    if shown.sentence:
        print(f"\n{shown.sentence}")
    for note in shown.notes:
        messages().print(note, markup=False)
