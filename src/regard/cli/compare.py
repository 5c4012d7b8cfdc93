"""``regard compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regard.cli.opening import AllowNonfinite
from regard.errors import SettingError

if TYPE_CHECKING:
    from regard.cli.compared import Found

RUNS = "Runs, or folders or hub names of public checkpoints."
OUT = "Draw it: a .png, .svg or .pdf; or a folder for a picture, the numbers and the translations."


def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN …", help=RUNS)],
    source: Annotated[Path | None, typer.Option(metavar="FILE", help="Test text to translate.")] = None,
    target: Annotated[Path | None, typer.Option(metavar="FILE", help="Reference translations, line by line.")] = None,
    text: Annotated[Path | None, typer.Option(metavar="FILE", help="Test text by itself, or a table of it.")] = None,
    label: Annotated[str | None, typer.Option(metavar="COLUMN", help="The table's column of labels.")] = None,
    text_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="Its column of texts.")] = None,
    second_column: Annotated[str | None, typer.Option(metavar="COLUMN", help="Its column of second texts.")] = None,
    unit: Annotated[str | None, typer.Option(help="What one text is in plain text: line, paragraph or file.")] = None,
    beam: Annotated[int | None, typer.Option(help="Hypotheses kept at each step; 1 is greedy.")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="α of the length penalty.")] = None,
    tokenize: Annotated[str, typer.Option(help="How BLEU counts words: 13a, intl, char, zh or none.")] = "13a",
    lowercase: Annotated[bool, typer.Option("--lowercase", help="BLEU and chrF without regard to case.")] = False,
    lengths: Annotated[str, typer.Option(help="Where the buckets of source length end.")] = "10,20,30,40",
    out: Annotated[Path | None, typer.Option(metavar="PICTURE|DIR", help=OUT)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """Several runs of one kind on one test set: tables, and a picture; each is tested against the first.

    - Translators (`--source`, `--target`), of any family: parameters, training time and speed, perplexity, BLEU and
      chrF with 95 % intervals, the paired bootstrap, and BLEU by source length. Each decodes as it was set, unless
      `--beam` or `--length-penalty` set all alike.

    - Classifiers (`--text TABLE`): accuracy and macro F1 with 95 % intervals, and McNemar's test.

    - Language models (`--text FILE`): perplexity, and nats per token, word and byte.

    Examples:
    - `regard compare runs/small runs/large --source test.de --target test.en --out compare.png`

    - `regard compare runs/* --source test.de --target test.en --beam 4 --tokenize intl --json`

    - `regard compare runs/opinions runs/opinions-large --text test.tsv --label label`
    """
    from regard.cli import compared, evaluated
    from regard.evaluation.translation import check_tokenizer
    from regard.runs.folder import load
    from regard.runs.measure_texts import Columns

    names = [run.rstrip("/") or run for run in runs]
    if len({Path(name).resolve() for name in names}) < len(names):
        raise SettingError.because("RUN", ", ".join(names), "every run once", "leave the repeated one out")
    of_text = {"--label": label, "--text-column": text_column, "--second-column": second_column, "--unit": unit}
    of_pairs = {"--beam": beam, "--length-penalty": length_penalty, "--lowercase": lowercase}
    evaluated.check_files("compare", (source, target, text), of_pairs, of_text)
    check_tokenizer(tokenize)
    edges = compared.edges_of(lengths)
    if out:
        compared.check_out(out)
    models = [load(name, allow_nonfinite=allow_nonfinite) for name in names]
    kind = compared.kind_of_all(names, models, text is not None)
    if source is not None and target is not None:
        changes = {"beam": beam, "length_penalty": length_penalty}
        changes = {name: value for name, value in changes.items() if value is not None}
        settings = [model.settings(**changes) for model in models]
        scoring = compared.Scoring(edges, tokenize, lowercase)
        found = compared.translations(names, models, (source, target), settings, scoring)
    elif kind == "labels":
        assert text is not None
        found = compared.labels(names, models, text, Columns(text_column, second_column, label))
    else:
        assert text is not None
        found = compared.texts(names, models, text, unit)
    _print(found, as_json)
    if out:
        compared.write(found, out)


def _print(found: Found, as_json: bool) -> None:
    from regard.cli.console import messages, print_table

    if as_json:
        print(json.dumps(found.table, ensure_ascii=False, allow_nan=False))
    else:
        for number, (title, headings, rows) in enumerate(found.tables()):
            if number:
                print()
            print_table(title, headings, rows)
        for line in found.signatures:
            print(f"\n{line}", end="")
        print(end="\n" if found.signatures else "")
    for note in found.notes:
        messages().print(note, markup=False)
