"""``regard study``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def study(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which one; without it they are listed.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller in everything, for a first look.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where page, pictures and numbers go.", show_default="study-NAME")
    ] = None,
    source: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sentences of yours instead of the built-in.")
    ] = None,
    target: Annotated[Path | None, typer.Option(metavar="FILE", help="Their translations, line by line.")] = None,
    text: Annotated[Path | None, typer.Option(metavar="FILE", help="A text of yours instead of the built-in.")] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Pictures of yours: a folder for each class, or a table.")
    ] = None,
    run: Annotated[Path | None, typer.Option(metavar="RUN", help="A trained run to look into as well.")] = None,
    tensor: Annotated[str | None, typer.Option(metavar="NAME", help="Which of RUN's tensors to look at.")] = None,
    seed: Annotated[int, typer.Option(help="Where chance starts.", min=0)] = 1,
    repeats: Annotated[
        int | None,
        typer.Option("--seeds", help="Everything is repeated from so many seeds.", min=1, show_default="3, quick 1"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier study in DIR.")] = False,
) -> None:
    """One claim as an experiment: a question, a measured answer, a page of pictures that needs no network.

    Examples:
    - `regard study` (which there are)

    - `regard study bottleneck --quick` (a few minutes, on data built into the package)

    - `regard study bottleneck --source train.de --target train.en --out bottleneck` (hours, on your own)

    - `regard study embedding --text my-corpus.txt --out words`

    - `regard study vision --images photos --quick` (a folder of pictures for each class)
    """
    from regard import studies
    from regard.cli.console import StudyProgress, messages, print_table
    from regard.runs.folder import load
    from regard.studies.frame.page import VERDICTS, check_folder, write
    from regard.studies.frame.study import Order, with_caution

    if name is None:
        every = [studies.get(one) for one in studies.names()]
        print_table("", ("study", "question"), [(one.name, one.question) for one in every])
        return
    chosen = studies.get(name)
    watch = StudyProgress()
    order = Order(quick, seed, text, run, tensor, source, target, repeats, images, watch, load)
    chosen.check(order)
    folder = out if out is not None else Path(f"study-{name}")
    check_folder(folder, overwrite)
    messages().print(f"{chosen.title}: {chosen.question}", markup=False)
    with watch:
        findings = with_caution(chosen.run(order), order)
    write(chosen, findings, folder, overwrite)
    for table in findings.tables:
        print_table(table.title, table.headings, table.rows)
        print()
    print(f"{VERDICTS[findings.held]} {findings.sentence}" if chosen.claim else findings.sentence)
    print(f"\nPage: {folder}/index.html")
