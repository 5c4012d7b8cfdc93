"""A model's folder by its name: a folder here, else a public model, out of the local cache or fetched from the hub."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from regard.errors import RunError
from regard.runs.checkpoints.weight_files import weights_are_there

CONFIG = "config.json"
# What a model and its tokenizer are made of; never code.
SMALL = (
    CONFIG,
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "target_vocab.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.spm",
)
SAFETENSORS = ("model.safetensors", "model.safetensors.index.json", "model-*.safetensors")
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "pytorch_model-*.bin")
SUBFOLDERS = ("*/*",)

_NAME = re.compile(r"(?!.*(?:\.\.|--))(?:\w[\w.-]{0,95}/)?\w[\w.-]{0,95}", re.ASCII)
EXPECTED = "a folder, or a public model's name such as Helsinki-NLP/opus-mt-en-de"


class Download(Protocol):
    """What is asked of ``huggingface_hub.snapshot_download``; the path of the folder that it filled."""

    def __call__(
        self, repo_id: str, *, allow_patterns: list[str], ignore_patterns: list[str], local_files_only: bool
    ) -> str:
        """Fetch the files of ``repo_id`` that match, or look for them in the cache alone."""
        ...


def resolve(name_or_folder: str | Path, download: Download | None = None) -> Path:
    """The folder that is meant: itself where it exists, else that of the public model of this name.

    A model that is whole in the local cache is not asked for again. Only configuration, tokenizer files and weights
    are fetched, and pickled weights only where there are no others.
    Raises RunError where there is neither, with what to do.
    """
    folder, name = Path(name_or_folder), str(name_or_folder)
    with suppress(OSError):  # a name that no file can have
        if name and folder.is_dir():
            return folder
        if name and folder.exists():
            raise RunError.because(name, "a file", EXPECTED, "name the folder that holds it")
    if not _NAME.fullmatch(name):
        raise RunError.because(name, "no folder there", EXPECTED, "check the path")
    download = download or _snapshot_download(name)
    return _cached(name, download) or _fetched(name, download)


def _snapshot_download(name: str) -> Download:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        got, action = "no folder, and no package that fetches models", "check the path, or pip install 'regard[hub]'"
        raise RunError.because(name, got, EXPECTED, action) from error
    return snapshot_download


def _cached(name: str, download: Download) -> Path | None:
    try:
        folder = _ask(name, download, (CONFIG,), cache_only=True)
    except Exception:  # whatever is wrong with the cache, the hub is asked next
        return None
    return folder if _is_whole(folder) else None


def _fetched(name: str, download: Download) -> Path:
    """Small files first and weights last: a folder with whole weights is whole, also after an interruption."""
    try:
        folder = _ask(name, download, SMALL)
        for weights in (SAFETENSORS, PICKLED):
            if not _is_whole(folder):
                folder = _ask(name, download, (CONFIG, *weights))
    except Exception as error:  # what the network and its client raise has no common root
        raise _failure(name, error) from error
    if not _is_whole(folder):
        got = f"a public model without {CONFIG} or without weights in safetensors or pytorch_model.bin"
        raise RunError.because(name, got, "a model with both", "choose another, or convert it and name its folder")
    return folder


def _ask(name: str, download: Download, patterns: tuple[str, ...], cache_only: bool = False) -> Path:
    found = download(name, allow_patterns=list(patterns), ignore_patterns=list(SUBFOLDERS), local_files_only=cache_only)
    return Path(found)


def _is_whole(folder: Path) -> bool:
    return (folder / CONFIG).is_file() and weights_are_there(folder)


def _failure(name: str, error: Exception) -> RunError:
    """What the client's error means, by its name: the classes move between the client's versions."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "GatedRepoError" in kinds:
        got, action = "a model that its owner gives on request", "accept its terms on the hub and run: hf auth login"
        return RunError.because(name, got, "a model that you may read", action)
    if kinds & {"RepositoryNotFoundError", "HFValidationError"}:
        got, action = "no folder, and no public model of that name", "check the spelling (a private one: hf auth login)"
        return RunError.because(name, got, EXPECTED, action)
    reason = (str(error).strip().splitlines() or [""])[0][:200]
    got = f"no folder, no whole copy in the cache, and no answer from the hub ({type(error).__name__}: {reason})"
    action = "check the path, the network and HF_HUB_OFFLINE, or name a folder with the model's files"
    return RunError.because(name, got, EXPECTED, action)
