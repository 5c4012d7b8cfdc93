"""``regard look``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def look(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A trained run, or a public checkpoint.")],
    sentence: Annotated[str, typer.Argument(metavar="SENTENCE", help="What to translate.")],
    out: Annotated[Path, typer.Option(metavar="PICTURE", help="Where to draw it: .png, .svg or .pdf.")],
    target: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A translation of yours, instead of the model's own.")
    ] = None,
    beam: Annotated[int | None, typer.Option(help="Hypotheses kept at each step; 1 is greedy.")] = None,
) -> None:
    """Which words of a sentence each word of its translation looked at, as a picture.

    The mean over the heads of the last but one decoder layer; of a recurrent model, its only attention.

    Examples:
    - `regard look runs/en-fr "The man in the blue shirt is standing on a ladder." --out alignment.png`

    - `regard look runs/en-fr "A dog runs." --target "Un chien court." --out forced.svg`
    """
    from regard.errors import DataError, SettingError
    from regard.looking.figures import picture_suffix, save, translation_map
    from regard.runs.folder import load

    picture_suffix(out)
    if not sentence.strip() or (target is not None and not target.strip()):
        raise DataError.because("SENTENCE", "nothing but white space", "some words", "write a sentence")
    if target is not None and beam is not None:
        rule = "none with --target, which is not searched for"
        raise SettingError.because("--beam", beam, rule, "leave one of the two out")
    model = load(run)
    translator = model.translator  # raises for a model that does not translate
    if target is None:
        settings = model.settings(beam=beam) if beam is not None else model.decoding
        target = translator.translate([sentence], settings)[0].text
    coders = (model.source_tokenizer, model.target_tokenizer)
    save(translation_map(model.module, coders, sentence, target), out)
    print(target)
