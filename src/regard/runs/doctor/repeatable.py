"""What must come out the same twice: training from one seed, a checkpoint read and written, text to ids and back."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
import torch
from torch import Tensor

from regard.data.batching import Batch
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.families import transformer
from regard.models.vocabulary import joint_vocabulary
from regard.runs.doctor.known_answers import Answer, LeftOut
from regard.storage import MANIFEST
from regard.tasks.translation import Translation
from regard.training.checkpoint import restore_checkpoint, save_checkpoint
from regard.training.loop import Feed, Trainer
from regard.training.schedule import Schedule
from regard.training.settings import TrainSettings

VOCABULARY = joint_vocabulary(12)
ROWS = [[2, 3, 4], [5, 6, 7, 8], [9, 2, 9], [4, 4, 3, 10]]
STEPS = 3
TEXTS = (
    "Ein Hund läuft über die Straße.",
    "안녕하세요, 세계! 오늘은 날씨가 좋네요.",
    "👩‍🚀 sees a 🦆 and naïve café prices: 1,234 €.",
    "שלום ‏עולם, العربية",
)


def training_twice() -> Iterator[Answer]:
    """Three steps with dropout from one seed, twice: the same bits; from another seed, others."""
    first, second, other = (digest_of(_trained(seed).tensors()) for seed in (1, 1, 2))
    yield Answer("sha256 of weights and optimizer", second, first)
    yield Answer("another seed gives the same", other == first, False)


def checkpoint_again() -> Iterator[Answer]:
    """Saved, read into a trainer that knew nothing, and saved again: the same files, byte for byte."""
    trainer = _trained(1)
    try:
        place = tempfile.TemporaryDirectory(prefix="regard-doctor-")
    except OSError as error:
        raise LeftOut("no folder for temporary files") from error
    with place as folder:
        saved = save_checkpoint(Path(folder) / "first", trainer, {"name": "안녕 👩‍🚀"})
        blank = _trainer(2)
        facts = restore_checkpoint(saved, blank)
        again = save_checkpoint(Path(folder) / "second", blank, facts)
        yield Answer("the tensors", digest_of(blank.tensors()), digest_of(trainer.tensors()))
        for path in sorted(saved.iterdir()):
            found, known = (hashlib.sha256((one / path.name).read_bytes()).hexdigest() for one in (again, saved))
            yield Answer(f"the file {path.name}", found, known)
        yield Answer("a manifest", (saved / MANIFEST).exists(), True)


def texts_and_back() -> Iterator[Answer]:
    """Text → ids → text, with Hangul, emoji and Arabic; and Hangul in its two spellings gives the same ids."""
    tokenizer = train_tokenizer(TEXTS[:2] * 5, TokenizerSettings(kind="bpe", size=320))
    for text, ids in zip(TEXTS, tokenizer.encode_batch(list(TEXTS)), strict=True):
        yield Answer("a text", tokenizer.decode(ids), text)
    whole, apart = tokenizer.encode_batch([TEXTS[1], normalize("NFD", TEXTS[1])])
    yield Answer("ids of Hangul written in letters", apart, whole)
    marked = "a </s> b"
    yield Answer("</s> in a text", tokenizer.decode(tokenizer.encode_batch([marked])[0]), marked)


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 of names and numbers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode() + b"\0" + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _trained(seed: int) -> Trainer:
    trainer = _trainer(seed)
    for _ in trainer.steps(STEPS):
        pass
    return trainer


def _trainer(seed: int) -> Trainer:
    torch.manual_seed(seed)
    model = transformer.build(replace(transformer.TOY, layers=1), VOCABULARY)
    settings = TrainSettings(steps=STEPS, learning_rate=0.01, warmup=1, seed=seed, precision="float32", device="cpu")
    schedule = Schedule("constant", 0.01, 1, STEPS)
    feed = Feed(lambda epoch: [np.array([0, 1]), np.array([2, 3])], _batch)
    return Trainer(model, Translation(0.1), feed, schedule, settings)


def _batch(rows: np.ndarray) -> Batch:
    texts = [[*ROWS[row], VOCABULARY.eos] for row in rows]
    width = max(map(len, texts))
    ids = torch.tensor([text + [VOCABULARY.pad or 0] * (width - len(text)) for text in texts])
    count = sum(map(len, texts))
    return Batch(ids, ids.clone(), count, count)
