"""Several languages from one model: a tag stands before each text, and says which it is (Johnson et al. 2017)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from regard.data.tokenizers.tokenizer import Tokenizer
from regard.data.tokenizers.tokenizer_kinds import SPACE
from regard.errors import DataError, SettingError

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
TAG = re.compile(rf"<2({CODE.pattern})>")


def tag_of(language: str) -> str:
    """``<2de>`` for "de". Raises DataError for what is no code of a language."""
    if not CODE.fullmatch(language):
        expected, action = "letters and digits, such as de or pt-br", "check the column of languages"
        raise DataError.because("language", repr(language[:60]), expected, action)
    return f"<2{language}>"


def tags_of(languages: Iterable[str]) -> list[str]:
    """One for each that there is, sorted."""
    return sorted({tag_of(language) for language in languages})


def languages_of(tokenizer: Tokenizer) -> dict[str, int]:
    """The languages that a tokenizer has tags for, and their ids."""
    pieces = tokenizer.pieces_of(range(tokenizer.size))
    found = ((TAG.fullmatch(piece.lstrip(SPACE)), index) for index, piece in enumerate(pieces))
    return {match[1]: index for match, index in found if match}


def id_of(language: str | None, tokenizer: Tokenizer) -> int | None:
    """The id of a language's tag; None for a model of one language. Raises SettingError where it knows no such one."""
    known = languages_of(tokenizer)
    if language is None and not known:
        return None
    if language not in known:
        names = ", ".join(known) or "none: the model writes one language"
        got = "nothing" if language is None else repr(language)
        action = "name one of these" if known else "leave it out"
        raise SettingError.because("--language", got, f"one that the model learnt ({names})", action)
    return known[language]
