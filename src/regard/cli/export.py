"""``regard export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regard.cli.opening import AllowNonfinite


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a folder or hub name of a public checkpoint.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")],
    to: Annotated[str, typer.Option(help="huggingface or ctranslate2.")] = "huggingface",
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """Hand a model on to another runtime.

    A run already is a folder that `transformers` opens; `--to huggingface` copies just those files. A public checkpoint
    in older files (pickled weights, shards, sentencepiece models) becomes one safetensors with a tokenizer.json.

    Examples:
    - `regard export runs/de-en shared/de-en`

    - `regard export runs/de-en fast/de-en --to ctranslate2`

    - `regard export Helsinki-NLP/opus-mt-de-en safe/opus-mt-de-en`
    """
    from regard.runs.export import export as write

    write(run, folder, to, allow_nonfinite=allow_nonfinite)
    print(folder)
