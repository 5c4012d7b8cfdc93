"""``regard complete``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from regard.cli.opening import AllowNonfinite
from regard.cli.windows import typed_lines


def complete(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a folder or hub name of a public checkpoint.")],
    prompt: Annotated[str | None, typer.Argument(metavar="[PROMPT]", help="Standard input if left out.")] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="Always the likeliest token, instead of drawing.")] = False,
    beam: Annotated[int | None, typer.Option(help="Beam search with so many hypotheses, instead of drawing.")] = None,
    max_new: Annotated[int | None, typer.Option(help="Tokens to add at most.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Of the draws: below 1 is safer, above 1 wilder.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw among the k likeliest tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw among the likeliest up to this probability.")] = None,
    min_p: Annotated[
        float | None, typer.Option(help="Draw among those at least this share as likely as the best.")
    ] = None,
    repetition_penalty: Annotated[float | None, typer.Option(help="Above 1 makes repetition less likely.")] = None,
    no_repeat_ngram: Annotated[int | None, typer.Option(help="Never repeat so many tokens in a row.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the draws.")] = None,
    n_best: Annotated[int | None, typer.Option(help="So many continuations.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="An object a continuation, with scores.")] = False,
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """Write on from a prompt, shown piece by piece as it is written.

    The prompt and its continuation stand on standard output as one text. The same seed draws the same text.

    Examples:
    - `regard complete runs/shakespeare "ROMEO:" --temperature 0.8 --max-new 300`

    - `regard complete openai-community/gpt2 "The paper says that" --greedy`
    """
    from regard.runs.folder import load

    model = load(run, allow_nonfinite=allow_nonfinite)
    given = {
        "max_new": max_new,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "no_repeat_ngram": no_repeat_ngram,
        "seed": seed,
        "n_best": n_best,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    changes |= {"beam": beam} if beam is not None else {"sample": not greedy, "beam": 1}
    text = "\n".join(typed_lines()) if prompt is None else prompt
    if as_json or beam is not None or (n_best or 1) > 1:
        for one in model.complete([text], **changes)[0].n_best:
            print(_as_json(text, one.text, one.log_probability) if as_json else text + one.text)
        return
    pieces = model.stream(text, **changes)  # refuses before anything is written
    print(text, end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()


def _as_json(prompt: str, text: str, log_probability: float) -> str:
    return json.dumps({"prompt": prompt, "text": text, "log_probability": log_probability}, ensure_ascii=False)
