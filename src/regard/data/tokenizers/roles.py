"""Which token of a vocabulary plays which part: from ``tokenizer_config.json``, else from the names in common use."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regard.data.plain_file import JSON_BYTES, read_plain
from regard.data.tokenizers.layout import ROLES, Layout
from regard.errors import CheckpointError

CONFIG = "tokenizer_config.json"
KEYS = ("eos_token", "unk_token", "pad_token", "bos_token", "cls_token", "sep_token", "mask_token")
# In the order of preference; the public vocabularies of the families use each of these names for one thing only.
IN_COMMON_USE = {
    "eos_token": ("</s>", "<|endoftext|>", "<|end_of_text|>", "<|im_end|>", "<eos>"),
    "unk_token": ("<unk>", "[UNK]"),
    "pad_token": ("<pad>", "[PAD]"),
    "bos_token": ("<s>", "<|endoftext|>", "<|begin_of_text|>", "<bos>"),
    "cls_token": ("[CLS]",),
    "sep_token": ("[SEP]",),
    "mask_token": ("[MASK]", "<mask>", "<mask_2>"),
}
# mBART writes en_XX, NLLB eng_Latn, Marian >>fra<<.
LANGUAGE = re.compile(r"[a-z]{2}_[A-Z]{2}|[a-z]{3}_[A-Z][a-z]{3}|>>[\w-]+<<")
SENTINEL = re.compile(r"<extra_id_(\d+)>")


def roles_of_layout(layout: Layout) -> dict[str, str]:
    """The keys of ``tokenizer_config.json`` for a layout, where ``[CLS]`` is both ``bos_token`` and ``cls_token``."""
    roles = {f"{role}_token": layout.roles[role] for role in ROLES if role in layout.roles}
    return roles | ({"cls_token": roles["bos_token"]} if "sep_token" in roles else {})


def complete_roles(named: Mapping[str, str], vocabulary: Mapping[str, int]) -> dict[str, str]:
    """``named`` without tokens that the vocabulary lacks, and with those in common use that it has."""
    roles: dict[str, str] = {}
    for key in KEYS:
        candidates = (named[key],) if key in named else IN_COMMON_USE[key]
        found = next((token for token in candidates if token in vocabulary), None)
        if found is not None:
            roles[key] = found
    return roles


def read_config(folder: Path) -> dict[str, Any]:
    """``tokenizer_config.json`` of a folder, empty where there is none. Raises CheckpointError where it is damaged."""
    path = folder / CONFIG
    if not path.exists():
        return {}
    try:
        config = json.loads(read_plain(path, JSON_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        got = error.strerror if isinstance(error, OSError) else "damaged JSON"
        raise CheckpointError.because(path, got, f"a whole {CONFIG}", "restore the file") from error
    if not isinstance(config, dict):
        raise CheckpointError.because(path, type(config).__name__, "a table of settings", "restore the file")
    return config


def named_roles(config: Mapping[str, Any], path: Path) -> dict[str, str]:
    """The tokens that a config names, each as a string or as a table with ``content``."""
    named: dict[str, str] = {}
    for key in KEYS:
        value = config.get(key)
        if isinstance(value, dict):
            value = value.get("content")
        if isinstance(value, str):
            named[key] = value
        elif config.get(key) is not None:
            got = f"{key} = {json.dumps(config[key])[:60]}"
            raise CheckpointError.because(path / CONFIG, got, "the token's text", "restore the file")
    return named


def sentinels(vocabulary: Mapping[str, int]) -> tuple[int, ...]:
    """The ids of ``<extra_id_0>``, ``<extra_id_1>``, … (Raffel et al. 2020, section 3.1.4)."""
    found = ((SENTINEL.fullmatch(token), index) for token, index in vocabulary.items())
    return tuple(index for _, index in sorted((int(match[1]), index) for match, index in found if match))
