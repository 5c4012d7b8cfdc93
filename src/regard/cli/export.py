"""``regard export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a trained run.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    to: Annotated[str, typer.Option(help="huggingface or ctranslate2.")] = "huggingface",
) -> None:
    """Hand a run on to another runtime.

    A run already is a folder that `transformers` opens; `--to huggingface` copies just those files.

    Examples:
    - `regard export runs/de-en shared/de-en`

    - `regard export runs/de-en fast/de-en --to ctranslate2`
    """
    from regard.runs.export import export as write

    write(run, folder, to)
    print(folder)
