"""What a run reads, task by task: how its files are read, prepared on disk, fed to training, and measured.

Each module has ``read`` (files → a checked corpus), ``learn_tokenizers``, ``prepare`` (corpus → the run's folder) and a
class of ``Material``, which opens what ``prepare`` wrote. Tokenizers are those of source and target, or none at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType

from regard.data.lines import dropped_bytes
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.runs.material import captions, couples, detection, images, labelled, next_token, noised, pairs, texts
from regard.runs.material.contract import Corpus, Material, Preparing, is_prepared, unwatched
from regard.runs.recipe import Recipe
from regard.runs.room import refuse_too_large

Tokenizers = tuple[Tokenizer, Tokenizer] | tuple[()]

KINDS: Mapping[str, tuple[ModuleType, Callable[..., Material]]] = MappingProxyType(
    {
        "translation": (pairs, pairs.PairMaterial),
        "classification": (labelled, labelled.LabelledMaterial),
        "token_classification": (labelled, labelled.LabelledMaterial),
        "embedding": (couples, couples.CoupleMaterial),
        "next_token": (texts, next_token.NextTokenMaterial),
        "masked_token": (texts, noised.MaskedTokenMaterial),
        "span_corruption": (texts, noised.SpanCorruptionMaterial),
        "denoising": (texts, noised.DenoisingMaterial),
        "image_classification": (images, images.ImageMaterial),
        "captioning": (captions, captions.CaptionMaterial),
        "detection": (detection, detection.DetectionMaterial),
    }
)

__all__ = [
    "Corpus",
    "Material",
    "dropped_from",
    "is_prepared",
    "learn_tokenizers",
    "open_material",
    "prepare",
    "read_corpus",
]


def read_corpus(recipe: Recipe, *, force: bool = False) -> Corpus:
    """Read and check every file of the recipe once, writing nothing. Raises DataError or SettingError.

    ``notes`` of what this returns are for the user.
    """
    refuse_too_large(recipe, 1, 1, shared=True, force=force)  # whatever the vocabulary
    corpus: Corpus = KINDS[recipe.task.kind][0].read(recipe)
    return corpus


def dropped_from(recipe: Recipe) -> list[str]:
    """What reading drops of the bytes of each file, as sentences. To be asked where ``read_corpus`` found no fault."""
    names = ("source", "target", "text", "valid_source", "valid_target", "valid_text")
    paths = [path for name in names if (path := getattr(recipe.data, name)) is not None]
    return [note for path in dict.fromkeys(paths) if (note := dropped_bytes(Path(path)))]


def learn_tokenizers(corpus: Corpus) -> Tokenizers:
    """The source and the target tokenizer, which may be one, learnt from the training data; none without text."""
    found: Tokenizers = KINDS[corpus.recipe.task.kind][0].learn_tokenizers(corpus)
    return found


def prepare(
    corpus: Corpus, folder: Path, *tokenizers: Tokenizer, force: bool = False, progress: Preparing = unwatched
) -> list[str]:
    """Write everything that training reads into the run ``folder``, and say what the user should know of it.

    ``progress`` hears how many of the examples to train on are done, and how many there are.
    Raises SettingError, before anything is written, where the model would not fit into memory; with ``force`` that is
    one of the notes.
    """
    sizes = [one.size for one in tokenizers] or [0, 0]
    warning = refuse_too_large(corpus.recipe, *sizes, shared=len(set(map(id, tokenizers))) < 2, force=force)
    notes: list[str] = KINDS[corpus.recipe.task.kind][0].prepare(corpus, folder, *tokenizers, progress=progress)
    return [warning, *notes] if warning else notes


def open_material(recipe: Recipe, folder: Path, *tokenizers: Tokenizer) -> Material:
    """What ``prepare`` wrote. Raises DataError where it is damaged."""
    return KINDS[recipe.task.kind][1](recipe, folder, *tokenizers)
