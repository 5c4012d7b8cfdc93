"""What all peers are measured on: batches of ids, initial weights of each size, and lines to translate.

    python benchmarks/peers/material.py FOLDER [--data DATA] [--sizes tiny tutorial] [--batch-tokens 4096]

DATA has train, val and test (or test_2016_flickr) with the endings .en and .de, such as Multi30k, and is read from
English to German. Without it, made-up pairs of about the same lengths take its place (prepare.py). One vocabulary of
10,000 pieces is learnt from both sides of the training text. FOLDER then holds batches.npz (an epoch), SIZE/ (a Marian
model folder with fresh weights), and train, val and test texts.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from regard.data.batching import collate, plan_batches
from regard.data.clean import Cleaner, Cleaning
from regard.data.corpus import read_pairs
from regard.data.store import Store, write_store
from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
from regard.families import transformer
from regard.models.heads import LANGUAGE
from regard.models.vocabulary import joint_vocabulary
from regard.runs.folder import write_model, write_tokenizers
from regard.runs.recipe import Recipe

PIECES, MOST_TOKENS, DROPOUT, MADE_UP = 10_000, 100, 0.3, 30_000
SIDES = {"source": "en", "target": "de"}
PARTS = {"train": ("train",), "val": ("val",), "test": ("test", "test_2016_flickr")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--sizes", nargs="+", default=["tiny", "tutorial"], choices=list(transformer.SIZES))
    parser.add_argument("--batch-tokens", type=int, default=4096)
    options = parser.parse_args()
    make(options.folder, options.data, options.sizes, options.batch_tokens)


def make(folder: Path, data: Path | None, sizes: list[str], batch_tokens: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_made_up(folder) if data is None else copy_texts(data, folder)
    pairs = list(Cleaner(Cleaning())(read_pairs(folder / "train.source", folder / "train.target")))
    tokenizer = train_tokenizer((text for pair in pairs for text in pair), TokenizerSettings(size=PIECES))
    vocabulary = joint_vocabulary(tokenizer.size)
    with tempfile.TemporaryDirectory() as work:
        store = write_store(Path(work) / "store", pairs, tokenizer, tokenizer, max_tokens=MOST_TOKENS)
        count = write_batches(folder / "batches.npz", store, vocabulary.pad, vocabulary.eos, batch_tokens)
    for size in sizes:
        write_initial(folder / size, size, tokenizer)
    print(
        f"{len(pairs)} pairs, {tokenizer.size} ids, {count} batches of at most {batch_tokens} tokens", file=sys.stderr
    )


def copy_texts(data: Path, folder: Path) -> None:
    for part, names in PARTS.items():
        for side, language in SIDES.items():
            found = [data / f"{name}.{language}" for name in names if (data / f"{name}.{language}").exists()]
            if not found:
                sys.exit(f"--data: got {data} without {names[0]}.{language}; expected Multi30k's files; add it")
            shutil.copyfile(found[0], folder / f"{part}.{side}")


def write_made_up(folder: Path) -> None:
    """Pairs of prepare.py: the last 1,000 to test, the 1,000 before them to validate."""
    sys.path.append(str(Path(__file__).parents[1]))
    from prepare import write_pairs

    with tempfile.TemporaryDirectory() as work:
        write_pairs(Path(work), MADE_UP)
        for side in SIDES:
            lines = (Path(work) / f"{side}.txt").read_text(encoding="utf-8").splitlines(keepends=True)
            for part, some in (("train", lines[:-2000]), ("val", lines[-2000:-1000]), ("test", lines[-1000:])):
                (folder / f"{part}.{side}").write_text("".join(some), encoding="utf-8")


def write_batches(path: Path, store: Store, pad: int, eos: int, batch_tokens: int) -> int:
    rows = plan_batches(store.lengths, batch_tokens, seed=1, epoch=0)
    arrays = {}
    for number, some in enumerate(rows):
        batch = collate(store, some, pad, eos)
        arrays |= {f"source{number:05}": batch.source.numpy(), f"target{number:05}": batch.target.numpy()}
    np.savez(path, **arrays)
    return len(rows)


def write_initial(folder: Path, size: str, tokenizer: Tokenizer) -> None:
    """A model folder with fresh weights, in which transformers sees a Marian model."""
    torch.manual_seed(1)
    config = replace(transformer.SIZES[size], dropout=DROPOUT, norm="post")
    module = transformer.build(config, joint_vocabulary(tokenizer.size))
    folder.mkdir(exist_ok=True)
    write_model(folder, Recipe("transformer", config), module, LANGUAGE)
    write_tokenizers(folder, tokenizer, tokenizer)


if __name__ == "__main__":
    main()
