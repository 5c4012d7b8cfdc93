"""A character-level GPT at nanoGPT's settings for a CPU: ours beside a plain PyTorch loop with the same settings.

    python benchmarks/shakespeare.py --text DATA/tinyshakespeare/input.txt --out DIR [--threads 2] [--rounds 1]

Both read the first 90 % of the text as characters and are measured on all of the last 10 %, in blocks of 64 that don't
overlap. 4 layers, 4 heads, d_model 128, 12 blocks a batch, 2,000 steps, AdamW (0.9, 0.99), decay 0.1, clip 1.0, 100
steps of warm-up, no dropout; the learning rate of recipes/shakespeare.toml. The plain loop is what a careful user
writes: fused attention, weights tied, random blocks, nanoGPT's schedule down to a tenth. In turn, a process each.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regard.config import read_toml

RECIPE = Path(__file__).parents[1] / "recipes" / "shakespeare.toml"
LAYERS, HEADS, D_MODEL, BLOCK, ROWS, STEPS, WARMUP = 4, 4, 128, 64, 12, 2000, 100


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(D_MODEL, bias=False), nn.LayerNorm(D_MODEL, bias=False)
        self.qkv, self.out = nn.Linear(D_MODEL, 3 * D_MODEL, bias=False), nn.Linear(D_MODEL, D_MODEL, bias=False)
        self.up, self.down = nn.Linear(D_MODEL, 4 * D_MODEL, bias=False), nn.Linear(4 * D_MODEL, D_MODEL, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        rows, length, _ = x.shape
        q, k, v = (part.view(rows, length, HEADS, -1).transpose(1, 2) for part in self.qkv(self.first(x)).chunk(3, -1))
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(rows, length, -1))
        return x + self.down(F.gelu(self.up(self.second(x))))


class Plain(nn.Module):
    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, D_MODEL), nn.Embedding(BLOCK, D_MODEL)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(D_MODEL, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                small = name.endswith(("out.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if small else 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.places.weight[: ids.shape[1]]
        return self.norm(self.blocks(x)) @ self.tokens.weight.T


def plain(text: str, rate: float, seed: int) -> dict[str, float]:
    """Train the plain model; seconds of training, and nats per character on all of the held-out text."""
    torch.manual_seed(seed)
    characters = sorted(set(text))
    number = {character: index for index, character in enumerate(characters)}
    ids = torch.tensor([number[character] for character in text])
    train, valid = ids[: int(0.9 * len(ids))], ids[int(0.9 * len(ids)) :]
    model = Plain(len(characters))
    decayed = [weight for weight in model.parameters() if weight.dim() > 1]
    others = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=True)
    began = time.perf_counter()
    for step in range(STEPS):
        share = min(1.0, (step + 1) / (WARMUP + 1))
        if step >= WARMUP:
            share = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        starts = torch.randint(len(train) - BLOCK, (ROWS,))
        rows = torch.stack([train[start : start + BLOCK + 1] for start in starts])
        loss = F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    seconds = time.perf_counter() - began
    nats = 0.0
    with torch.no_grad():
        for start in range(0, len(valid) - 1, BLOCK):
            row = valid[start : start + BLOCK + 1]
            nats += float(F.cross_entropy(model(row[None, :-1])[0], row[1:], reduction="sum"))
    return {
        "seconds": seconds,
        "nats": nats / (len(valid) - 1),
        "parameters": sum(w.numel() for w in model.parameters()),
    }


def ours(options: argparse.Namespace, folder: Path, seed: int) -> dict[str, float]:
    command = [sys.executable, "-m", "regard", "train", str(RECIPE), "--text", str(options.text), "--out", str(folder)]
    command += ["--overwrite", f"train.threads={options.threads}", f"train.seed={seed}", *options.settings]
    command += [f"train.save_every={STEPS}", f"train.validate_every={STEPS}"]  # the plain loop pauses for neither
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    seconds = [record["seconds"] for record in records if "loss" in record][-1]
    return {"seconds": seconds, "nats": [r["valid_loss"] for r in records if "valid_loss" in r][-1]}


def main() -> None:
    options = parse()
    if options.plain is not None:
        torch.set_num_threads(options.threads)
        text = options.text.read_text(encoding="utf-8")
        print(json.dumps(plain(text, read_toml(RECIPE)["train"]["learning_rate"], options.plain)))
        return
    print("| | seed | seconds of training | with start and end | nats per character |\n|---|---|---|---|---|")
    for seed in range(1, options.rounds + 1):
        began = time.perf_counter()
        found = ours(options, options.out / f"ours-{seed}", seed)
        show("regard", seed, found, time.perf_counter() - began)
        began = time.perf_counter()
        command = [sys.executable, __file__, "--text", str(options.text), "--out", str(options.out)]
        command += ["--threads", str(options.threads), "--plain", str(seed)]
        output = subprocess.run(command, check=True, capture_output=True, text=True, env=dict(os.environ)).stdout
        show("plain loop", seed, json.loads(output), time.perf_counter() - began)


def show(name: str, seed: int, found: dict[str, float], whole: float) -> None:
    print(f"| {name} | {seed} | {found['seconds']:.1f} | {whole:.1f} | {found['nats']:.4f} |", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--plain", type=int, help=argparse.SUPPRESS)
    parser.add_argument("settings", nargs="*", help="settings of ours, as key=value")
    return parser.parse_args()


if __name__ == "__main__":
    main()
