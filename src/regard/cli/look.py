"""``regard look``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regard.cli.opening import AllowNonfinite

if TYPE_CHECKING:
    from regard.decoding.settings import DecodingSettings
    from regard.looking.look import Look
    from regard.runs.model import Model

PAGE = ".html"
LIKELIEST = 5  # classes that are printed


def look(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A trained run, or a public checkpoint.")],
    sentence: Annotated[
        str, typer.Argument(metavar="SENTENCE", help="What it is to translate, or to read; or the file of a picture.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A page (.html), or a picture (.png, .svg or .pdf).")],
    target: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A translation of yours, instead of the model's own.")
    ] = None,
    beam: Annotated[int | None, typer.Option(help="Hypotheses kept at each step; 1 is greedy.")] = None,
    against: Annotated[
        list[str] | None, typer.Option(metavar="RUN", help="Another model beside it, on a page; as often as you like.")
    ] = None,
    checkpoints: Annotated[bool, typer.Option("--checkpoints", help="Every kept checkpoint, on a page.")] = False,
    view: Annotated[
        str | None, typer.Option(help="Of a picture: alignment, heads, model, tokens or summaries.")
    ] = None,
    stack: Annotated[str | None, typer.Option(help="Of a picture: encoder, decoder or cross.")] = None,
    layer: Annotated[int | None, typer.Option(help="Of a picture, counted from 1.")] = None,
    head: Annotated[int | None, typer.Option(help="Of a picture, counted from 1.")] = None,
    language: Annotated[str | None, typer.Option(help="Of a caption, where the model knows several.")] = None,
    cell: Annotated[
        str | None, typer.Option(metavar="ROW,COLUMN", help="Where attention inside a CNN is seen from, from 0.")
    ] = None,
    allow_nonfinite: AllowNonfinite = False,
) -> None:
    """What attended to what: one page that opens without a network, or a picture.

    A picture shows the alignment of words: the mean over the heads of the last but one decoder layer (of a recurrent
    model, its only attention), or what --view, --stack, --layer and --head choose. The page shows everything.

    Of a model that reads pictures: where it looked for each word of a caption, for the class, or for each object.

    Examples:
    - `regard look runs/de-en "Ein Hund läuft über die Wiese." --out look.html`

    - `regard look runs/de-en "Ein Hund läuft." --out heads.png --view heads --stack encoder --layer 2`

    - `regard look runs/de-en "Ein Hund läuft." --target "A dog runs." --out forced.svg`

    - `regard look runs/rnn "Ein Hund läuft." --against runs/conv --against runs/de-en --out models.html`

    - `regard look runs/de-en "Ein Hund läuft." --checkpoints --out learning.html`

    - `regard look runs/emoji heart.png --language de --out where.png`

    - `regard look runs/cells blood.jpg --out where.html`
    """
    from regard.cli.evaluated import check_unheeded
    from regard.looking.figures import save
    from regard.looking.looks import look_at
    from regard.looking.page.write import page
    from regard.looking.views import picture
    from regard.runs.folder import load
    from regard.runs.through_training import looks_through_training
    from regard.storage import write_file

    chosen = {"--view": view, "--stack": stack, "--layer": layer, "--head": head}
    _check(out, {name: value for name, value in chosen.items() if value is not None}, against or [], checkpoints)
    _check_texts(sentence, target, beam)
    first = load(run, allow_nonfinite=allow_nonfinite)
    if first.preparation is not None:
        beside = {"--against": against or None, "--checkpoints": checkpoints}
        check_unheeded("a model that reads pictures", {**chosen, "--target": target, "--beam": beam, **beside})
        _see(first, Path(sentence), language, cell, out)
        return
    check_unheeded("a model that reads text", {"--language": language, "--cell": cell})
    models = [first, *(load(name, allow_nonfinite=allow_nonfinite) for name in against or [])]
    if checkpoints:
        looks = looks_through_training(models[0].folder, sentence, target, _settings(models[0], beam))
    else:
        looks = [look_at(model, sentence, target, _settings(model, beam)) for model in models]
    if out.suffix.lower() == PAGE:
        write_file(out, page(looks, "steps" if checkpoints else "models" if against else "single", sentence))
    else:
        save(picture(looks[0], view, stack, _from_zero(layer), _from_zero(head)), out)
    for one in looks[-1:] if checkpoints else looks:
        if one.target is not None:
            print(one.text)


def _see(model: Model, file: Path, language: str | None, cell: str | None, out: Path) -> None:
    """Where a model looks in a picture."""
    from regard.cli.evaluated import check_unheeded
    from regard.looking.figures import save
    from regard.looking.page.write import page
    from regard.looking.picture_looks import looks_at_picture
    from regard.looking.seeing import see, seen
    from regard.storage import write_file

    place = _place(cell)
    if model.head.kind != "language":
        check_unheeded("a model that writes no captions", {"--language": language})
    if not hasattr(model.config, "attention"):
        check_unheeded("any but a CNN with attention inside", {"--cell": cell})
    if out.suffix.lower() == PAGE:
        check_unheeded("a page", {"--cell": cell})
        looks = looks_at_picture(model, file, language)
        write_file(out, page(looks, "models" if len(looks) > 1 else "single", file.name))
        print(_said(looks[0]))
        return
    sight = see(model, file, language, place)
    save(seen(sight), out)
    for glance in sight.glances:
        print(glance.title)


def _said(look: Look) -> str:
    """The caption, the objects, or the likeliest classes."""
    if look.text:
        return look.text
    if look.target is not None:
        return "\n".join(look.target.labels)
    best = sorted(look.classes.items(), key=lambda one: -one[1])[:LIKELIEST]
    return ", ".join(f"{name} {share:.0%}" for name, share in best) or "nothing found"


def _place(cell: str | None) -> tuple[int, int] | None:
    from regard.errors import SettingError

    if cell is None:
        return None
    try:
        row, column = map(int, cell.split(","))
    except ValueError as error:
        raise SettingError.because("--cell", cell, "a row and a column, such as 3,4", "write it so") from error
    return row, column


def _check(out: Path, chosen: dict[str, object], against: list[str], checkpoints: bool) -> None:
    """All that is wrong with the options, before any work. Raises SettingError and RunError."""
    from regard.errors import RunError, SettingError
    from regard.looking.style import picture_suffix

    if not out.parent.is_dir():
        raise RunError.because("--out", out, "a file in a folder that there is", f"make {out.parent} first")
    page = out.suffix.lower() == PAGE
    for name, value in chosen.items() if page else ():
        raise SettingError.because(name, value, "nothing with a page, which shows all", "leave it out")
    if page:
        if against and checkpoints:
            raise SettingError.because("--checkpoints", "it and --against", "one of the two", "leave one out")
        return
    picture_suffix(out, also=PAGE)
    for name, given in (("--against", against), ("--checkpoints", checkpoints)):
        if given:
            raise SettingError.because(name, f"it with {out.name}", "a page", f"use --out {out.stem}{PAGE}")


def _check_texts(sentence: str, target: str | None, beam: int | None) -> None:
    from regard.errors import DataError, SettingError

    if not sentence.strip() or (target is not None and not target.strip()):
        raise DataError.because("SENTENCE", "nothing but white space", "some words", "write a sentence")
    if target is not None and beam is not None:
        rule = "none with --target, which is not searched for"
        raise SettingError.because("--beam", beam, rule, "leave one of the two out")


def _settings(model: Model, beam: int | None) -> DecodingSettings:
    return model.decoding if beam is None else model.settings(beam=beam)


def _from_zero(number: int | None) -> int | None:
    return None if number is None else number - 1
