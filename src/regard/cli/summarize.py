"""``regard summarize``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regard.cli.opening import AllowNonfinite
from regard.cli.windows import windows


def summarize(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a folder or hub name of a public checkpoint.")],
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Texts, one a line; or standard input.")] = None,
    prefix: Annotated[str, typer.Option(help="Before every text, for a model of several tasks: 'summarize: '.")] = "",
    beam: Annotated[int | None, typer.Option(help="Hypotheses kept at each step; 1 is greedy.")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="α of the length penalty.")] = None,
    min_length: Annotated[int | None, typer.Option(help="Tokens of a summary at least.")] = None,
    no_repeat_ngram: Annotated[int | None, typer.Option(help="Never repeat so many tokens in a row.")] = None,
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """Sum up texts: one line in, one line out, in order.

    Examples:
    - `regard summarize runs/summaries article.txt`

    - `regard summarize facebook/bart-large-cnn article.txt --beam 4 --min-length 56 --no-repeat-ngram 3`
    """
    from regard.cli.console import counting
    from regard.runs.folder import load

    model = load(run, allow_nonfinite=allow_nonfinite)
    given = {
        "beam": beam,
        "length_penalty": length_penalty,
        "min_length": min_length,
        "no_repeat_ngram": no_repeat_ngram,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    with counting("summing up", None) as progress:
        done = 0
        for texts in windows(None, file):
            for line in model.summarize([prefix + text if text.strip() else "" for text in texts], **changes):
                print(line)
            done += len(texts)
            progress(done)
