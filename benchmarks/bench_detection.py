"""A training step of DETR, ours beside that of transformers: same weights, same pictures, same losses, same optimizer.

    python benchmarks/bench_detection.py [--sizes tiny r50] [--turns 5]

Seconds of a step (losses of every layer, backward, AdamW), medians over steps that take turns, with the quartiles; and
the ratio of the medians. The backbone's norms are frozen, which is all that transformers has, and its convolutions
learn; "batch norm" is what a run from nothing has here. Half of the pictures are padded. The threads are
OMP_NUM_THREADS'.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from torch import nn

from regard.data.images.detection_batch import DetectionBatch, detection_batch
from regard.families import detr
from regard.models.heads import Head
from regard.models.public import public_weights, put_public_weights
from regard.models.vocabulary import NO_TEXT
from regard.tasks.detection import Detection

THINGS = Head("detection", ("RBC", "WBC", "Platelets"))
# size: pictures, height, width
BATCHES = {"tiny": (4, 240, 320), "r50": (1, 320, 416)}
OBJECTS = 15  # a picture's


def main() -> None:
    options = parse()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, transformers {transformers.__version__}")
    for size in options.sizes:
        torch.manual_seed(0)
        count, height, width = BATCHES[size]
        batch = drawn(count, height, width)
        arms = steps_of(size, batch)
        seconds: dict[str, list[float]] = {name: [] for name in arms}
        first = {name: step() for name, step in arms.items()}
        for _ in range(options.turns):
            for name, step in arms.items():
                began = time.perf_counter()
                step()
                seconds[name].append(time.perf_counter() - began)
        print(f"{size}, {count} of {width} × {height}")
        slow = statistics.median(seconds["transformers"])
        for name, took in seconds.items():
            middle, low, high = statistics.median(took), *quartiles(took)
            told = f"{middle:7.3f} s ({low:.3f}–{high:.3f}), {slow / middle:.2f} times as fast as transformers"
            print(f"  {name:>18}: {told}; first loss {first[name]:.4f}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["tiny"], choices=list(BATCHES))
    parser.add_argument("--turns", type=int, default=5)
    return parser.parse_args()


def quartiles(values: list[float]) -> tuple[float, float]:
    ordered = sorted(values)
    return ordered[len(ordered) // 4], ordered[3 * len(ordered) // 4]


def drawn(count: int, height: int, width: int) -> DetectionBatch:
    """Pictures of noise, every second one a quarter smaller on each side."""
    sides = [(height, width) if place % 2 == 0 else (height * 3 // 4, width * 3 // 4) for place in range(count)]
    images = [torch.randn(3, *one) for one in sides]
    labels = [torch.randint(len(THINGS.labels), (OBJECTS,)) for _ in images]
    boxes = [torch.cat((0.2 + 0.6 * torch.rand(OBJECTS, 2), 0.05 + 0.2 * torch.rand(OBJECTS, 2)), 1) for _ in images]
    return detection_batch(images, labels, boxes)


def steps_of(size: str, batch: DetectionBatch) -> dict[str, Callable[[], float]]:
    bare = {"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0}  # which transformers puts elsewhere
    config = replace(detr.SIZES[size], backbone_norm="frozen", **bare)
    ours = detr.build(config, NO_TEXT, THINGS)
    form = detr.public_form(config, NO_TEXT, THINGS)
    weights = public_weights(ours, form, THINGS)
    theirs = opened_there(config, weights)
    own = replace(config, backbone_norm="batch")
    fresh = detr.build(own, NO_TEXT, THINGS)
    put_public_weights(fresh, detr.public_form(own, NO_TEXT, THINGS), weights)
    return {
        "transformers": their_step(theirs, batch),
        "ours": our_step(ours, batch),
        "ours, batch norm": our_step(fresh, batch),
    }


def opened_there(config: detr.Config, weights: dict[str, torch.Tensor]) -> nn.Module:
    with tempfile.TemporaryDirectory() as folder:
        table = {**detr.public_config(config, NO_TEXT, THINGS), "auxiliary_loss": True}
        Path(folder, "config.json").write_text(json.dumps(table), encoding="utf-8")
        save_file(weights, Path(folder, "model.safetensors"), metadata={"format": "pt"})
        model = transformers.DetrForObjectDetection.from_pretrained(folder)
    return model.requires_grad_(True).train()  # it freezes the whole backbone where that is not timm's


def their_step(model: nn.Module, batch: DetectionBatch) -> Callable[[], float]:
    targets = [{"class_labels": labels, "boxes": boxes} for labels, boxes in batch.objects()]
    mask = batch.real.long()
    return stepping(model, lambda: model(batch.images, pixel_mask=mask, labels=targets).loss)


def our_step(model: nn.Module, batch: DetectionBatch) -> Callable[[], float]:
    task = Detection()
    model.train()
    return stepping(model, lambda: task.losses(model, batch).smoothed / batch.target_tokens)


def stepping(model: nn.Module, loss_of: Callable[[], torch.Tensor]) -> Callable[[], float]:
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, weight_decay=1e-4)

    def step() -> float:
        loss = loss_of()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


if __name__ == "__main__":
    main()
