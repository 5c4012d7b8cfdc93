"""The two trainings of gpu.py that end in a published score, through the command as a user gives it.

With the device "cpu" they are a few steps on made-up text, to see that they run.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from prepare import write_pairs

from regard.data.corpus import read_lines
from regard.evaluation.translation import score
from regard.training.settings import TrainSettings

RECIPES = Path(__file__).parents[1] / "recipes"
SEEDS = (1, 2, 3)
NANOGPT, TINY = 1.4697, 41.02  # nats per character; BLEU (T)
Found = dict[str, Any]

# nanoGPT's settings for tinyshakespeare on a GPU: 10.7 M parameters, 64 blocks of 256 characters, 5,000 steps.
OF_SHAKESPEARE = (
    *("task.block=256", "model.layers=6", "model.heads=6", "model.d_model=384", "model.longest=256"),
    *("model.dropout=0.2", "model.embedding_dropout=0.2", "model.attention_dropout=0.2"),
    *("train.steps=5000", "train.batch_tokens=16384", "train.learning_rate=1e-3", "train.warmup=100"),
    *("train.validate_every=250", "train.save_every=2500"),
)
# The published tiny model: 8,000 updates of 2 × 4,096 tokens, the mean of the last ten checkpoints, beam 5.
OF_MULTI30K = (
    *("model.dropout=0.3", "train.steps=8000", "train.accumulate=2", "train.schedule=paper", "train.warmup=2000"),
    *("train.learning_rate=5e-3", "train.average=last", "train.average_count=10", "train.keep_last=10"),
    *("train.save_every=200", "train.validate_every=1000"),
)
DRY = ("train.steps=4", "train.batch_tokens=256", "train.warmup=2", "train.save_every=2", "train.validate_every=2")


def shakespeare(out: Path, data: Path | None, device: str) -> list[Found]:
    """Nats per character on the held-out tenth: the best of the validations, as nanoGPT reports it, and the last."""
    with tempfile.TemporaryDirectory() as work:
        if device == "cpu":
            text, settings = made_up_text(Path(work)), (*OF_SHAKESPEARE, *DRY, "model.layers=1", "model.d_model=12")
        else:
            text, settings = data / "tinyshakespeare" / "input.txt", OF_SHAKESPEARE
        seconds = train(out / "shakespeare", "shakespeare.toml", ["--text", text], (*settings, *on(device)))
    losses = [record["valid_loss"] for record in journal(out / "shakespeare") if "valid_loss" in record]
    found = {"best": round(min(losses), 4), "last": round(losses[-1], 4), "nanoGPT": NANOGPT}
    return [{**found, "seconds": round(seconds)}]


def multi30k(out: Path, data: Path | None, device: str) -> list[Found]:
    """BLEU (T) of three seeds: on lower-cased Moses tokens."""
    rows = []
    with tempfile.TemporaryDirectory() as work:
        names = made_up_pairs(Path(work)) if device == "cpu" else corpus(data / "multi30k_tok")
        files = [
            part
            for option in ("source", "target", "valid-source", "valid-target")
            for part in (f"--{option}", names[option])
        ]
        settings = (*OF_MULTI30K, *on(device), *((*DRY, "tokenizer.size=300") if device == "cpu" else ()))
        for seed in SEEDS:
            run = out / f"multi30k-{seed}"
            seconds = train(run, "multi30k-en-de-tiny.toml", files, (*settings, f"train.seed={seed}"))
            rows.append({"seed": seed, "BLEU (T)": round(bleu(run, names), 2), "seconds": round(seconds)})
    mean = sum(row["BLEU (T)"] for row in rows) / len(rows)
    return [*rows, {"seed": "mean", "BLEU (T)": round(mean, 2), "published": TINY}]


def on(device: str) -> tuple[str, ...]:
    """The setting that says so, where this version has one."""
    return (f"train.device={device}",) if "device" in {f.name for f in dataclasses.fields(TrainSettings)} else ()


def train(run: Path, recipe: str, files: list[Any], settings: tuple[str, ...]) -> float:
    command = [sys.executable, "-m", "regard", "train", RECIPES / recipe, *files, "--out", run, "--overwrite"]
    began = time.perf_counter()
    subprocess.run([*map(str, command), *settings], check=True, stdout=sys.stderr)
    return time.perf_counter() - began


def bleu(run: Path, names: dict[str, Path]) -> float:
    command = [sys.executable, "-m", "regard", "translate", str(run), str(names["test-source"])]
    texts = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return score(texts, list(read_lines(names["test-target"])), tokenize="none").bleu.score


def journal(run: Path) -> list[Found]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def corpus(folder: Path) -> dict[str, Path]:
    parts = {"": "train", "valid-": "val", "test-": "test_2016_flickr"}
    sides = {"source": "en", "target": "de"}
    return {
        part + side: folder / f"{name}.lc.norm.tok.{language}"
        for part, name in parts.items()
        for side, language in sides.items()
    }


def made_up_pairs(folder: Path) -> dict[str, Path]:
    write_pairs(folder, 200)
    files = {side: folder / f"{side}.txt" for side in ("source", "target")}
    few = {side: folder / f"few.{side}" for side in files}
    for side, path in few.items():
        path.write_text("".join(list(files[side].open(encoding="utf-8"))[:8]), encoding="utf-8")
    return files | {f"{part}-{side}": path for part in ("valid", "test") for side, path in few.items()}


def made_up_text(folder: Path) -> Path:
    return made_up_pairs(folder)["source"]
