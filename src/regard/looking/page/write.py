"""The page as one HTML text: template, style, scripts, texts, head and bytes, all of it inside.

No text of a model or a user is ever markup: it stands in JSON without any "<", and the scripts set it as text only.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

from regard.looking.look import Look
from regard.looking.page.document import Mode, document

SCRIPTS = (  # in the order in which they stand in the page
    *("dom", "texts", "numbers", "look", "state", "colours", "controls", "tip"),
    *("layout", "words", "lines", "picture", "matrix", "heads", "strips", "way", "next", "beam", "pooled"),
    *("save", "views", "keys", "frame", "page"),
)


def page(looks: Sequence[Look], mode: Mode, title: str) -> str:
    """A page of one look, of the same text at several ``steps`` of training, or of ``models`` side by side."""
    assert looks, "a page shows at least one look"
    head, data = document(looks, mode, title)
    return Template(_file("page.html")).substitute(
        title=html.escape(head["title"]),
        style=_file("page.css"),
        texts=_json(json.loads(_file("texts.json"))),
        head=_json(head),
        data=base64.b64encode(data).decode("ascii"),
        script=_script(),
    )


def _json(value: Any) -> str:
    """JSON that no HTML parser reads as anything else."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


@cache
def _script() -> str:
    parts = "\n".join(_file(f"scripts/{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}\n}})();'


@cache
def _file(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
