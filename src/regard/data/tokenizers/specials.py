"""Special tokens and the texts of users: kept apart, let through where asked for, and new tokens put beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from tokenizers import AddedToken, Regex, models, pre_tokenizers
from tokenizers import Tokenizer as Library

from regard.data.tokenizers.roles import LANGUAGE, SENTINEL
from regard.data.tokenizers.tokenizer_kinds import SPACE
from regard.errors import SettingError

BYTE_PIECE = "<0x41>"  # one of the 256 that a model may spell unknown characters with


def keep_from_texts(library: Library, specials: Collection[str], unknown: str | None) -> None:
    """Split specials that the model would make out of a text behind their first character, where it makes any.

    A unigram model finds every piece of its list in a text, the specials included. Only texts that spell a special
    out are cut differently for it. Our own kinds need no such thing.
    """
    names = {name: library.token_to_id(name) for name in (*specials, BYTE_PIECE) if name != unknown}
    if not any(
        index in library.encode(text, add_special_tokens=False).ids
        for name, index in names.items()
        if index is not None
        for text in (name, f"a{name}a", f"a {name} a")
    ):
        return
    rest = [f"{re.escape(name[0])}(?={re.escape(name[1:])})" for name in sorted(specials) if len(name) > 1]
    spelt = "|".join([*rest, "<(?=0x[0-9A-F]{2}>)"])
    apart = pre_tokenizers.Split(Regex(spelt), "isolated")
    before = library.pre_tokenizer
    library.pre_tokenizer = apart if before is None else pre_tokenizers.Sequence([before, apart])


def marking(library: Library, mask: str | None) -> Library:
    """A copy that finds masks, sentinels and languages in a text, and no other special token."""
    described = json.loads(library.to_str())
    for token in described["added_tokens"]:
        name = token["content"]
        if name == mask or SENTINEL.fullmatch(name) or LANGUAGE.fullmatch(name):
            token["special"] = False
    copy = Library.from_str(json.dumps(described, ensure_ascii=False))
    copy.encode_special_tokens = True
    return copy


def with_tokens(library: Library, tokens: Sequence[str], last: str | None) -> tuple[Library, np.ndarray]:
    """A copy of the library that knows ``tokens``, and the new id of every old one.

    They get the ids behind all others, but for ``last``, which stays the last. Raises SettingError where a token is
    empty or a special one.
    """
    old = library.get_vocab_size(with_added_tokens=True)
    described = json.loads(library.to_str())
    specials = {token["content"] for token in described["added_tokens"] if token["special"]}
    for token in tokens:
        if not token.strip() or token in specials:
            expected = "a word that is no special token"
            raise SettingError.because("tokens", repr(token), expected, "leave it out")
    moved = np.arange(old, dtype=np.int64)
    names = [_written(library, token.strip()) for token in tokens]
    names = [name for name in dict.fromkeys(names) if library.token_to_id(name) is None]
    if last is not None and names:
        _make_room(described, names, last, old - 1)
        moved[-1] += len(names)
    copy = Library.from_str(json.dumps(described, ensure_ascii=False))
    copy.encode_special_tokens = True
    copy.add_tokens([AddedToken(name, normalized=True) for name in names])
    return copy, moved


def with_language(library: Library, language: str, languages: Mapping[str, int]) -> Library:
    """A copy of the library whose templates name ``language`` where they name one of ``languages``."""
    described = json.loads(library.to_str())
    processor = described["post_processor"] or {}
    slots = [slot.get("SpecialToken", {}) for name in ("single", "pair") for slot in processor.get(name, [])]
    there = [slot for slot in slots if slot.get("id") in languages]
    if language not in languages or not there:
        expected = "one of " + (", ".join(languages) if there else "none: this vocabulary puts none around a text")
        raise SettingError.because("language", repr(language), expected, "choose another")
    for slot in there:
        slot["id"] = language
    named = {"id": language, "ids": [languages[language]], "tokens": [language]}
    kept = {name: value for name, value in processor["special_tokens"].items() if name not in languages}
    processor["special_tokens"] = kept | {language: named}
    return Library.from_str(json.dumps(described, ensure_ascii=False))


def _written(library: Library, token: str) -> str:
    """The token as the file's normaliser writes it: our kinds put a space in front, which decoding then knows."""
    if library.normalizer is None:
        return token
    written = str(library.normalizer.normalize_str(token))
    return written if library.normalizer.normalize_str(written) == written else token


def _make_room(described: dict[str, Any], names: Sequence[str], last: str, index: int) -> None:
    """Put ``names`` into the model's vocabulary from ``index`` on, and ``last`` behind them."""
    model = described["model"]
    if isinstance(model["vocab"], list):
        *before, end = model["vocab"]
        lowest = min(score for _, score in before)
        model["vocab"] = [*before, *([name, lowest] for name in names), end]
    else:
        model["vocab"] |= {name: index + number for number, name in enumerate(names)} | {last: index + len(names)}
    next(token for token in described["added_tokens"] if token["content"] == last)["id"] = index + len(names)


def word_starts(library: Library, pieces: Sequence[str], specials: Collection[int]) -> np.ndarray:
    """Which pieces (as a reader sees them) begin a word; specials and added tokens count as words of their own."""
    model = library.model
    if isinstance(model, models.WordPiece):
        prefix = model.continuing_subword_prefix
        starts = [not piece.startswith(prefix) for piece in pieces]
    else:
        starts = [piece.startswith(SPACE) for piece in pieces]
        if not any(starts):
            starts = [True] * len(pieces)
    found = np.array(starts, dtype=bool)
    found[[*specials, *library.get_added_tokens_decoder()]] = True
    return found
