"""A study's findings as a folder: ``index.html``, a page that needs no network, its pictures, and ``findings.json``."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from regard.errors import RunError
from regard.looking.lettering import visible
from regard.looking.style import save, themed_svg
from regard.storage import write_file
from regard.studies.frame.study import Findings, Picture, Study, Table

FINDINGS = "findings.json"
VERDICTS = {True: "The claim held here.", False: "The claim did not hold here.", None: "Undecided here."}
STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1f2328; --faint: #5f6873; --line: #d5dae0; --card: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --page: #0f141a; --ink: #e6edf3; --faint: #98a2ae; --line: #333b45;
  --card: #171d25; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 5rem; max-width: 66rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; } h2 { font-size: 1.15rem; margin: 2.4rem 0 .5rem; }
.claim { font-style: italic; margin: 0 0 .4rem; } .question { color: var(--faint); margin: 0; }
.answer { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1.1rem;
  font-size: 1.1rem; margin: 1.2rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { text-align: left; padding: .34rem 1.1rem .34rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--faint); font-weight: 500; font-size: .875rem; } tbody th { font-weight: 500; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
figure { margin: 1.8rem 0; } figure img { max-width: 100%; height: auto; display: block; }
figcaption, .note, footer { color: var(--faint); font-size: .9rem; }
@media print { body { max-width: none; } figure, tr { break-inside: avoid; } }
"""
PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header><h1>$title</h1>$claim<p class="question">$question</p></header>
<main>
<p class="answer">$verdict$sentence</p>
$notes
$figures
$tables
</main>
<footer><p>Made by <code>regard study $name</code>. One file; it needs no network.</p></footer>
</body>
</html>
""")


def check_folder(folder: Path, overwrite: bool) -> None:
    """Raises RunError where ``folder`` holds something, unless that is an earlier study's and may be replaced."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        earlier = (folder / FINDINGS).is_file()
        if not (earlier and overwrite):
            got = "the findings of an earlier study" if earlier else "something that is no study's"
            action = "add --overwrite to replace them" if earlier else "choose another folder"
            raise RunError.because(folder, got, "a new or empty folder", action)


def write(study: Study, findings: Findings, folder: Path, overwrite: bool = False) -> None:
    """Write the page, the pictures and the numbers into ``folder``; the same findings give the same bytes.

    Raises RunError where the folder holds something already or cannot be written.
    """
    check_folder(folder, overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError.because(folder, error.strerror, "a folder to write to", "choose another folder") from error
    for picture in findings.pictures:
        save(picture.figure, folder / f"{picture.name}.png")
    write_file(folder / "index.html", _page(study, findings))
    write_file(folder / FINDINGS, _json(study, findings))


def _json(study: Study, findings: Findings) -> str:
    table = {
        "study": study.name,
        "claim": study.claim,
        "question": study.question,
        "held": findings.held,
        "sentence": findings.sentence,
        "notes": list(findings.notes),
        "settings": dict(findings.settings),
        "numbers": dict(findings.numbers),
    }
    return json.dumps(table, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _page(study: Study, findings: Findings) -> str:
    settings = Table("Settings", ("setting", "value"), list(findings.settings.items()))
    return PAGE.substitute(
        title=_shown(study.title),
        claim=f'<p class="claim">{_shown(study.claim)}</p>' if study.claim else "",
        question=_shown(study.question),
        verdict=f"<strong>{VERDICTS[findings.held]}</strong> " if study.claim else "",
        name=_shown(study.name),
        style=STYLE,
        sentence=_shown(findings.sentence),
        notes="\n".join(f'<p class="note">{_shown(note)}</p>' for note in findings.notes),
        figures="\n".join(map(_figure, findings.pictures)),
        tables="\n".join(map(_table, (*findings.tables, settings))),
    )


def _shown(text: object) -> str:
    return escape(visible(str(text)))


def _figure(picture: Picture) -> str:
    data = base64.b64encode(themed_svg(picture.figure).encode()).decode()
    caption = _shown(picture.caption)
    image = f'<img alt="{caption}" src="data:image/svg+xml;base64,{data}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{_shown(text)}</th>" for text in table.headings)
    body = "".join(f"<tr>{''.join(_cells(row))}</tr>" for row in table.rows)
    note = f'<p class="note">{_shown(table.note)}</p>' if table.note else ""
    return (
        f"<h2>{_shown(table.title)}</h2>\n"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}'
    )


def _cells(row: Sequence[Any]) -> Iterable[str]:
    for number, value in enumerate(row):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if number == 0:
            yield f'<th><bdi dir="auto">{_shown(value)}</bdi></th>'
        elif is_number:
            yield f'<td class="number">{value:,}</td>'
        else:
            yield f'<td><bdi dir="auto">{_shown("–" if value is None else value)}</bdi></td>'
