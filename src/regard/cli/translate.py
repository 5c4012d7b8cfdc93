"""``regard translate``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice, tee
from pathlib import Path
from typing import Annotated, Any

import typer

from regard.cli.opening import AllowNonfinite
from regard.cli.windows import is_typed, typed_lines

WINDOW = 1000  # lines held and batched at a time


def translate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run, or a folder or hub name of a public checkpoint.")],
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Text; standard input if left out.")] = None,
    beam: Annotated[int | None, typer.Option(help="Hypotheses kept at each step; 1 is greedy.")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="α of the length penalty.")] = None,
    n_best: Annotated[int | None, typer.Option(help="Translations a line.")] = None,
    no_repeat_ngram: Annotated[int | None, typer.Option(help="Never repeat so many tokens in a row.")] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Draw from the model instead of searching.")] = False,
    temperature: Annotated[float | None, typer.Option(help="Of the draws.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw among the k likeliest tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw among the likeliest up to this probability.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the draws.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="An object a line, with scores.")] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="Matrix products in 8 bits, where this machine can: nearly as good.")
    ] = False,
    align: Annotated[bool, typer.Option("--align", help="Add which word came from which (Pharaoh format).")] = False,
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """Translate text: one line in, one line out, in order.

    With `--n-best N`, N lines a line: score, a tab, the translation. With `--align`, a tab and source-target pairs of
    word numbers from 0, from the attention to the source.

    Examples:
    - `echo "Ein Hund läuft." | regard translate runs/de-en`

    - `regard translate runs/de-en test.de --beam 5 --json > test.jsonl`
    """
    from regard.cli.console import counting, say_if_not_fast
    from regard.data.corpus import read_lines
    from regard.runs.folder import load

    model = load(run, allow_nonfinite=allow_nonfinite)
    if n_best is not None and beam is None:
        beam = max(n_best, model.decoding.beam)
    given = {
        "beam": beam,
        "length_penalty": length_penalty,
        "n_best": n_best,
        "no_repeat_ngram": no_repeat_ngram,
        "sample": sample or None,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "seed": seed,
        "products": "int8" if fast else None,
    }
    settings = model.settings(**{name: value for name, value in given.items() if value is not None})
    if fast:
        say_if_not_fast(model, settings)
    lines = read_lines(file) if file else typed_lines()
    name = str(file) if file else "standard input"
    ours, theirs = tee(lines)  # holds only as many lines as one reader is ahead of the other
    with counting("translating", None) as progress:
        window = 1 if file is None and is_typed() else WINDOW  # who types wants an answer to each line
        found = model.translator.translate_stream(theirs, settings, window=window, name=name, progress=progress)
        pairs = zip(ours, found, strict=True)
        while some := list(islice(pairs, window)):
            alignments = _alignments(model, some) if align else [None] * len(some)
            for (source, translation), alignment in zip(some, alignments, strict=True):
                for line in _written(source, translation, n_best or 1, as_json, alignment):
                    print(line)


def _alignments(model: Any, pairs: Sequence[tuple[str, Any]]) -> list[str]:
    """Of each source and its translation, which word came from which; "" where there is nothing."""
    from regard.looking.looks import alignments

    return alignments(model, [source for source, _ in pairs], [translation.ids for _, translation in pairs])


def _written(source: str, translation: Any, n_best: int, as_json: bool, alignment: str | None) -> Iterator[str]:
    if as_json:
        table = {
            "source": source,
            "translations": [
                {"text": one.text, "score": one.score, "log_probability": one.log_probability}
                for one in translation.n_best
            ],
        }
        yield json.dumps({**table, "alignment": alignment} if alignment is not None else table, ensure_ascii=False)
    elif n_best > 1:
        yield from (f"{one.score:.4f}\t{one.text}" for one in translation.n_best)
    else:
        yield translation.text if alignment is None else f"{translation.text}\t{alignment}"
