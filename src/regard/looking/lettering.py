"""Labels that can be read in any script: which installed fonts have the letters, and what to do where none has.

A letter that no font has would be drawn as an empty box with a warning each. Here it becomes "□", and ``remark`` says
once what to install. Characters that are invisible or would turn the line around are written as their code points.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font

from regard.looking.style import FAINT

FIRST_FONT = "DejaVu Sans"  # comes with matplotlib
NO_LETTERS = ("LastResort", "STIX", "cm", "DejaVu")  # files of boxes and of mathematics, and the one already asked
HIDDEN = ("Cc", "Cf", "Cs")  # control characters, signs without a shape, halves of a pair
JOINS = "\u200c\u200d"  # these shape the letters beside them: Persian, Indic scripts, emoji
EAST_ASIAN = {"CJK", "HANGUL", "HIRAGANA", "KATAKANA", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH"}


@dataclass(frozen=True)
class Lettering:
    """Texts as they can be drawn, the fonts that draw them, and the letters that no font has."""

    texts: list[str]
    fonts: list[str]
    missing: frozenset[str]

    @property
    def style(self) -> dict[str, Any]:
        """The properties to give to matplotlib with the texts."""
        return {"fontfamily": self.fonts, "parse_math": False}


def lettering(texts: Iterable[str], limit: int = 28) -> Lettering:
    """Prepare ``texts`` as labels of at most ``limit`` characters each."""
    shown = [readable(text, limit) for text in texts]
    used = frozenset("".join(shown))
    fonts, missing = _fonts_for(used)
    replaced = {ord(letter): None if _invisible(letter) else "□" for letter in missing}
    boxes = frozenset(letter for letter in missing if not _invisible(letter))
    return Lettering([text.translate(replaced) for text in shown], list(fonts), boxes)


def visible(text: str, keep: str = "") -> str:
    """``text`` with control and direction characters as code points (U+202E), except those in ``keep``."""
    return "".join(
        f"U+{ord(letter):04X}" if unicodedata.category(letter) in HIDDEN and letter not in JOINS + keep else letter
        for letter in text
    )


def readable(text: str, limit: int = 28) -> str:
    """``text`` as ``visible`` writes it, shortened in the middle to ``limit`` characters."""
    shown = visible(text)
    half = (limit - 1) // 2
    return shown if len(shown) <= limit else f"{shown[:half]}…{shown[len(shown) - (limit - 1 - half) :]}"


def in_legend(name: str) -> str:
    """``name`` for a legend, from which matplotlib would leave out one that begins with "_"."""
    return f" {name}" if name.startswith("_") else name


def missing_note(*parts: Lettering) -> str | None:
    """``□: 12 characters that no installed font has; install …``, or None where nothing is missing."""
    missing = frozenset[str]().union(*(part.missing for part in parts))
    if not missing:
        return None
    scripts = {unicodedata.name(letter, "SYMBOL").split()[0].split("-")[0] for letter in missing}
    letters = {
        unicodedata.name(letter, "SYMBOL").split()[0] for letter in missing if unicodedata.category(letter)[0] == "L"
    }
    fonts = {"Noto Sans CJK" if script in EAST_ASIAN else f"Noto Sans {script.title()}" for script in letters}
    if len(letters) < len(scripts):
        fonts.add("Symbola")
    some = ", ".join(sorted(fonts)[:4]) + (" …" if len(fonts) > 4 else "")
    many = "1 character" if len(missing) == 1 else f"{len(missing)} characters"
    return f"□: {many} that no installed font has; install {some}"


def remark(figure: Figure, *parts: Lettering) -> None:
    """Say once below a picture which letters its fonts lack, if they lack any."""
    note = missing_note(*parts)
    if note:
        lines = textwrap.wrap(note, int(figure.get_figwidth() * 12))
        figure.supxlabel("\n".join(lines), x=0.012, ha="left", fontsize=8, color=FAINT)


def _invisible(letter: str) -> bool:
    return unicodedata.category(letter) in ("Cf", "Mn", "Me")  # joiners, variation selectors, marks on other letters


@lru_cache(maxsize=256)
def _fonts_for(letters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """The fonts to draw with, the first one first, and the letters that none of them has."""
    missing = _lacking(Path(font_manager.findfont(FIRST_FONT)), letters)
    fonts = [FIRST_FONT]
    candidates = _installed() if missing else []
    while missing and candidates:
        best = min(candidates, key=lambda file: len(_lacking(file, missing)))
        if _lacking(best, missing) == missing:
            break
        candidates.remove(best)
        name = _known_name(best)
        left = _lacking(Path(font_manager.findfont(name)), missing)  # of a family, the plain face will be drawn
        if left != missing:
            fonts.append(name)
            missing = left
    return tuple(fonts), missing


def _lacking(file: Path, letters: frozenset[str]) -> frozenset[str]:
    """Those of ``letters`` that the font cannot draw; all, where it is no font of outlines."""
    try:
        font = FT2Font(str(file))
    except (OSError, RuntimeError, ValueError):
        return letters
    if not font.scalable:  # coloured emoji are pictures, which matplotlib does not draw
        return letters
    return frozenset(letter for letter in letters if font.get_char_index(ord(letter)) == 0)


def _installed() -> list[Path]:
    """The font files of this machine, those first that look best among sans-serif letters."""
    known = {str(entry.fname) for entry in font_manager.fontManager.ttflist}
    files = [Path(file) for file in known.union(font_manager.findSystemFonts())]

    def taste(file: Path) -> tuple[bool, bool, str]:
        return "Sans" not in file.name, "Regular" not in file.name, str(file)

    return sorted((file for file in files if not file.name.startswith(NO_LETTERS)), key=taste)


def _known_name(file: Path) -> str:
    """The family by which matplotlib knows the font, which it is told of if it was installed since."""
    for attempt in ("as it is", "after telling"):
        for entry in font_manager.fontManager.ttflist:
            if str(entry.fname) == str(file):
                return str(entry.name)
        if attempt == "as it is":
            font_manager.fontManager.addfont(str(file))
    raise AssertionError(f"matplotlib does not list {file}, which it has just added")
