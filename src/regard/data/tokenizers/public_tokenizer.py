"""The tokenizer of a public model folder, whichever files it comes in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers import Tokenizer as Library

from regard.data.tokenizers.library_faults import library_faults
from regard.data.tokenizers.public_sentencepiece import read_marian, read_sentencepiece
from regard.data.tokenizers.public_vocabularies import read_byte_level, read_text, read_word_pieces
from regard.data.tokenizers.roles import named_roles, read_config
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.errors import CheckpointError

FILE = "tokenizer.json"
MODELS = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
MARIAN = ("source.spm", "target.spm", "vocab.json")
BYTE_LEVEL = ("vocab.json", "merges.txt")


def open_tokenizer(folder: Path) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers for source and target texts: one and the same object where the folder has only one.

    In this order: tokenizer.json as it is; vocab.txt; source.spm, target.spm and vocab.json (Marian); vocab.json and
    merges.txt; a sentencepiece model. What ``config.json`` and ``tokenizer_config.json`` say is heeded.
    Raises CheckpointError where there is none of these, or one that is damaged.
    """
    config = read_config(folder)
    roles = named_roles(config, folder)
    if (folder / FILE).exists():
        return _both(Tokenizer.load(folder / FILE), config)
    if all((folder / name).exists() for name in MARIAN):
        with library_faults(folder):
            source, target = read_marian(folder)
        return Tokenizer(source, roles), Tokenizer(target, roles)
    with library_faults(folder):
        library = _with_added(_read(folder, config), folder)
    return _both(Tokenizer(library, roles), config)


def _both(source: Tokenizer, config: Mapping[str, Any]) -> tuple[Tokenizer, Tokenizer]:
    """The source's tokenizer twice, unless the config names a language for the target (mBART)."""
    language = config.get("tgt_lang")
    known = isinstance(language, str) and language in source.languages
    return source, source.speaking(str(language)) if known else source


def _read(folder: Path, config: Mapping[str, Any]) -> Library:
    model_config = _model_config(folder)
    if (folder / "vocab.txt").exists():
        return read_word_pieces(folder / "vocab.txt", config)
    if all((folder / name).exists() for name in BYTE_LEVEL):
        return read_byte_level(folder, config, str(model_config.get("model_type", "")))
    for name in MODELS:
        if (folder / name).exists():
            return read_sentencepiece(folder / name, config, model_config)
    known = ", ".join((FILE, "vocab.txt", "source.spm with target.spm", "vocab.json with merges.txt", *MODELS))
    raise CheckpointError.because(folder, "no tokenizer file", f"one of {known}", "download it beside the weights")


def _model_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.exists():
        return {}
    try:
        config = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise CheckpointError.because(path, "damaged JSON", "a whole config.json", "restore the file") from error
    return config if isinstance(config, dict) else {}


def _with_added(library: Library, folder: Path) -> Library:
    """The library with the tokens of ``added_tokens.json``, which someone gave ids behind the vocabulary's."""
    path = folder / "added_tokens.json"
    if not path.exists():
        return library
    try:
        table = json.loads(read_text(path))
        added = sorted((int(index), str(name)) for name, index in table.items())
    except (ValueError, AttributeError, TypeError, RecursionError, OverflowError) as error:
        raise CheckpointError.because(path, "damaged JSON", "a whole added_tokens.json", "restore the file") from error
    for index, name in added:
        library.add_tokens([AddedToken(name, normalized=True, special=False)])
        if library.token_to_id(name) != index:
            got, expected = f"{name} as id {index}", f"id {library.token_to_id(name)}"
            raise CheckpointError.because(path, got, expected, "restore the file")
    return library
