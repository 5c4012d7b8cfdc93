"""Accuracy against the number of labels: from scratch, after pretraining, and with the pretrained encoder frozen.

    python benchmarks/transfer.py RECIPE.toml [key=value …] --train TRAIN.tsv --valid VALID.tsv \\
        --pretrained RUN --out DIR

The recipe is that of the classifier. RUN is a masked-token run of the same sizes on the training texts; its tokenizer
serves all arms but "from scratch", which learns its own from the labelled texts that it is given. DIR gets a run for
every point, ``transfer.json`` and ``transfer.png``; what is there already is not trained again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from regard.config import merge, parse_overrides, read_toml
from regard.evaluation.interval import Interval, wilson
from regard.looking.figures import growth, save
from regard.runs.train import train
from regard.runs.watcher import Watcher

# Passes over the labelled texts: few texts need many.
EPOCHS = {100: 60, 1_000: 20, 10_000: 5}
TUNING_EPOCHS = {100: 30, 1_000: 10, 10_000: 3}  # with weights that have learnt already
ARMS = {
    "from scratch": {},
    "fine-tuned": {"init": True},
    "frozen features": {"init": True, "freeze": True},
}


class Silent(Watcher):
    """A watcher who says where things stand, in a line a run."""

    def begin(self, steps: int, done: int) -> None:
        print(f"  {steps} steps", flush=True)

    def note(self, text: str) -> None:
        print(f"  {text}", flush=True)


def main() -> None:
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[tuple[float, Interval]]] = {}
    found = []
    for arm, rules in ARMS.items():
        for count in [*options.labels, None]:
            for seed in options.seeds if count and count <= 1000 and "freeze" not in rules else options.seeds[:1]:
                hits, examples, used = measure(options, arm, rules, count, seed)
                found.append({"arm": arm, "labels": used, "seed": seed, "hits": hits, "examples": examples})
                print(f"{arm:16} {used:>8,} labels  seed {seed}  {100 * hits / examples:.2f} %", flush=True)
        used = sorted({row["labels"] for row in found if row["arm"] == arm})
        lines[arm] = [
            (count, over_seeds([row for row in found if row["arm"] == arm and row["labels"] == count]))
            for count in used
        ]
    (options.out / "transfer.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    lowest = options.lowest
    save(growth(lines, "labelled texts", "accuracy (%)", options.title, lowest), options.out / "transfer.png")


def over_seeds(rows: list[dict[str, Any]]) -> Interval:
    """The mean over the seeds, within Wilson's interval for one test set of its size."""
    hits = round(sum(row["hits"] for row in rows) / len(rows))
    return wilson(hits, rows[0]["examples"])


def measure(
    options: argparse.Namespace, arm: str, rules: dict[str, Any], count: int | None, seed: int
) -> tuple[int, int, int]:
    folder = options.out / f"{arm.replace(' ', '-')}-{count or 'all'}-{seed}"
    if not (folder / "model.safetensors").exists():
        data = {"text": str(options.train), "valid_text": str(options.valid), **({"labels": count} if count else {})}
        table = merge(read_toml(options.recipe), parse_overrides(options.settings))
        table = merge(table, {"data": data, "train": {"seed": seed, "threads": 1}})
        epochs = TUNING_EPOCHS if rules else EPOCHS
        if count in epochs:
            table = merge(table, {"train": {"epochs": epochs[count]}})
        if "init" in rules:
            table = merge(table, {"init": {"checkpoint": str(options.pretrained)}, "train": dict(options.tuning)})
            table["model"] = {"dropout": table["model"]["dropout"]}
            if count is None:
                table = merge(table, {"train": {"epochs": options.epochs}})
        if "freeze" in rules:
            table = merge(table, {"init": {"freeze": ["encoder."]}, "train": {"learning_rate": 3e-3}})
        train(table, folder, Silent(), resume=False, overwrite=folder.exists())
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    last = [record for record in records if "valid_accuracy" in record][-1]
    examples = sum(1 for line in options.valid.open(encoding="utf-8")) - 1
    known = count or sum(1 for line in options.train.open(encoding="utf-8")) - 1
    return round(last["valid_accuracy"] * examples), examples, known


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--valid", type=Path, required=True)
    parser.add_argument("--pretrained", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--labels", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--lowest", type=float, default=45.0, help="where the axis of accuracy begins")
    parser.add_argument("--title", default="Accuracy against the number of labels")
    parser.add_argument("--rate", type=float, default=2e-4, help="learning rate of fine-tuning")
    parser.add_argument("--epochs", type=int, default=2, help="of fine-tuning on all labels")
    parser.add_argument("settings", nargs="*", help="settings over the recipe, as key=value")
    options = parser.parse_intermixed_args()
    options.tuning = {"learning_rate": options.rate}
    return options


if __name__ == "__main__":
    main()
