"""``regard fill``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from regard.cli.opening import AllowNonfinite
from regard.cli.windows import typed_lines


def fill(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a folder or hub name of a public checkpoint.")],
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Standard input, by lines, if left out.")] = None,
    top: Annotated[int, typer.Option(help="Guesses for each gap.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="An object a text.")] = False,
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """Guess what stands in place of [MASK].

    Examples:
    - `regard fill runs/reviews "이 영화는 정말 [MASK]."`

    - `regard fill google-bert/bert-base-uncased "Attention is all you [MASK]." --top 3`
    """
    from regard.cli.console import print_table
    from regard.runs.folder import load

    filler = load(run, allow_nonfinite=allow_nonfinite).filler
    for line in typed_lines() if text is None else [text]:
        gaps = filler.fill(line, top)
        if as_json:
            guesses = [[{"piece": one.piece, "probability": one.probability} for one in gap] for gap in gaps]
            print(json.dumps({"text": line, "gaps": guesses}, ensure_ascii=False))
            continue
        for number, gap in enumerate(gaps, start=1):
            rows = [(one.piece, f"{100 * one.probability:.1f} %") for one in gap]
            print_table(f"{line}   gap {number}" if len(gaps) > 1 else line, ("piece", "probability"), rows)
