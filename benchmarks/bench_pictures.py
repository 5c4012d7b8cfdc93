"""A training step of DETR or ViT, ours beside that of transformers: same weights, pictures, losses and optimizer.

    python benchmarks/bench_pictures.py [--models detr-tiny detr-r50 vit-micro vit-tiny] [--turns 5]

Seconds of a step (the loss, of DETR those of every layer, backward, AdamW), medians over steps that take turns, with
the quartiles; and the ratio of the medians. The backbone's norms of DETR are frozen, which is all that transformers
has, and its convolutions learn; "batch norm" is what a run from nothing has here. Half of its pictures are padded. The
threads are OMP_NUM_THREADS'.
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

from regard.data.images.batches import ImageBatch
from regard.data.images.detection_batch import DetectionBatch, detection_batch
from regard.families import detr, vit
from regard.models.heads import Head
from regard.models.public import public_weights, put_public_weights
from regard.models.vocabulary import NO_TEXT
from regard.tasks.detection import Detection
from regard.tasks.image_classification import ImageClassification

THINGS = Head("detection", ("RBC", "WBC", "Platelets"))
CLASSES = Head("classification", tuple("0123456789"))
# model: pictures, height, width
BATCHES = {
    "detr-tiny": (4, 240, 320),
    "detr-r50": (1, 320, 416),
    "vit-micro": (64, 32, 32),
    "vit-tiny": (8, 224, 224),
}
OBJECTS = 15  # a picture's


def main() -> None:
    options = parse()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, transformers {transformers.__version__}")
    for model in options.models:
        torch.manual_seed(0)
        count, height, width = BATCHES[model]
        family, _, size = model.partition("-")
        make = detr_steps if family == "detr" else vit_steps
        arms = make(size, count, height, width)
        seconds: dict[str, list[float]] = {name: [] for name in arms}
        first = {name: step() for name, step in arms.items()}
        for _ in range(options.turns):
            for name, step in arms.items():
                began = time.perf_counter()
                step()
                seconds[name].append(time.perf_counter() - began)
        print(f"{model}, {count} of {width} × {height}")
        slow = statistics.median(seconds["transformers"])
        for name, took in seconds.items():
            middle, low, high = statistics.median(took), *quartiles(took)
            told = f"{middle:7.3f} s ({low:.3f}–{high:.3f}), {slow / middle:.2f} times as fast as transformers"
            print(f"  {name:>18}: {told}; first loss {first[name]:.4f}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["detr-tiny", "vit-micro"], choices=list(BATCHES))
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


def vit_steps(size: str, count: int, height: int, width: int) -> dict[str, Callable[[], float]]:
    config = vit.SIZES[size]
    ours = vit.build(config, NO_TEXT, CLASSES).train()
    weights = public_weights(ours, vit.public_form(config, NO_TEXT, CLASSES), CLASSES)
    with tempfile.TemporaryDirectory() as folder:
        table = vit.public_config(config, NO_TEXT, CLASSES)
        Path(folder, "config.json").write_text(json.dumps(table), encoding="utf-8")
        save_file(weights, Path(folder, "model.safetensors"), metadata={"format": "pt"})
        theirs = transformers.ViTForImageClassification.from_pretrained(folder).train()
    batch = ImageBatch(torch.randn(count, 3, height, width), torch.randint(len(CLASSES.labels), (count,)))
    task = ImageClassification()
    return {
        "transformers": stepping(theirs, lambda: theirs(batch.images, labels=batch.labels).loss),
        "ours": stepping(ours, lambda: task.losses(ours, batch).smoothed / batch.target_tokens),
    }


def detr_steps(size: str, count: int, height: int, width: int) -> dict[str, Callable[[], float]]:
    batch = drawn(count, height, width)
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
