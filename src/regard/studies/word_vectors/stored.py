"""Vectors out of a trained model: the rows of its embedding matrix for those words that are one piece of its tokenizer.

They are read from the safetensors file by the tensor's name, so no model need be built.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from regard.errors import CheckpointError
from regard.studies.word_vectors.corpus import WordVectors

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
ENDINGS = ("shared.weight", "embed_tokens.weight", "word_embeddings.weight", "wte.weight", "tok_embeddings.weight")


def of_run(folder: Path, words: Iterable[str], tensor: str | None = None, name: str = "model") -> WordVectors:
    """The vectors of a run's (or public checkpoint's) folder for ``words``; a word of several pieces is left out.

    Raises CheckpointError where weights or tokenizer cannot be read, or the tensor is not there.
    """
    path = folder / TOKENIZER
    if not path.is_file():
        raise CheckpointError.because(path, "no such file", "a tokenizer.json", "name the folder of a trained run")
    pieces = Tokenizer.from_file(str(path))
    ids = {word: pieces.encode(word, add_special_tokens=False).ids for word in words}
    whole = {word: one[0] for word, one in ids.items() if len(one) == 1 and _spells(pieces, one, word)}
    return of_tensor(folder / WEIGHTS, tensor, whole, name)


def of_tensor(path: Path, tensor: str | None, ids: dict[str, int], name: str = "model") -> WordVectors:
    """The rows ``ids`` of the matrix called ``tensor`` (None: the only one that is called as embeddings are).

    Raises CheckpointError as ``of_run``, and where an id is beyond the matrix.
    """
    try:
        with safe_open(path, framework="pt") as file:
            chosen = _named(path, list(file.keys()), tensor)
            matrix = file.get_tensor(chosen)
    except (OSError, SafetensorError) as error:
        raise CheckpointError.because(path, error, "weights as safetensors", "name the folder of a run") from error
    beyond = [word for word, number in ids.items() if number >= len(matrix)]
    if matrix.ndim != 2 or beyond:
        shape = "×".join(map(str, matrix.shape))
        raise CheckpointError.because(chosen, shape, "a row for each piece", "name another tensor")
    rows = matrix[list(ids.values())].double().numpy()
    return WordVectors(name, tuple(ids), np.asarray(rows))


def _spells(pieces: Tokenizer, ids: list[int], word: str) -> bool:
    """Whether the pieces are the word, which the piece for whatever is unknown is not."""
    return bool(pieces.decode(ids, skip_special_tokens=False).strip() == word)


def _named(path: Path, there: Sequence[str], tensor: str | None) -> str:
    likely = [name for name in there if name.endswith(ENDINGS)]
    if tensor is None and len(likely) == 1:
        return likely[0]
    if tensor in there:
        return str(tensor)
    got = f"{len(likely)} tensors that may be the embeddings" if tensor is None else f"no tensor {tensor!r}"
    raise CheckpointError.because(path, got, "one of " + ", ".join(likely or there[:8]), "name it by --tensor")
