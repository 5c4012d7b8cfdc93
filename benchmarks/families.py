"""Every family at one tiny size on one text: do sisters reach like losses?

    python benchmarks/families.py --data DATA/multi30k --out DIR [--steps 1500]

Two layers, d_model 128, d_ff 256 (gated ones 170), 4 heads, 4,000 pieces, one thread. Encoders guess masked tokens and
decoders the next one in the English side of Multi30k, encoder–decoders translate German to English. Losses compare
within a group, per token: the vocabularies differ by their special tokens only.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from regard.config import merge
from regard.runs.train import train
from regard.runs.watcher import Watcher

SHAPE = {"layers": 2, "d_model": 128, "d_ff": 256, "heads": 4, "dropout": 0.1}
# Version 1.1, which learnt faster than 1.0 in a first try (LOG.md).
T5 = {"activation": "gelu_tanh", "gated": True, "tied": False, "scaled": False, "d_ff": 170, "d_k": 32}
GROUPS: dict[str, dict[str, dict[str, Any]]] = {
    "masked_token": {"bert": {"attention_dropout": 0.1}, "roberta": {}, "albert": {}},
    "next_token": {"gpt2": {}, "llama": {"d_ff": 170}},
    "translation": {"transformer": {}, "marian": {}, "bart": {}, "mbart": {}, "pegasus": {}, "t5": T5},
}


class Silent(Watcher):
    """A watcher who says nothing."""

    def validated(self, record: Any) -> None:
        print(f"    step {record['step']:>5}  {record['valid_loss']:.3f}", flush=True)

    def note(self, text: str) -> None:
        print(f"    {text}", flush=True)


def main() -> None:
    options = parse()
    rows = []
    for kind, families in GROUPS.items():
        for family, changes in families.items():
            if options.only and family not in options.only:
                continue
            print(f"{kind} {family}", flush=True)
            folder = options.out / family
            if not (folder / "model.safetensors").exists():
                train(recipe(options, kind, family, changes), folder, Silent(), resume=False, overwrite=folder.exists())
            records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
            last = [record for record in records if "valid_loss" in record][-1]
            rows.append((kind, family, last["valid_loss"], last["seconds"]))
    print("| task | family | validation loss, nats per token | seconds |\n|---|---|---|---|")
    for kind, family, loss, seconds in rows:
        print(f"| {kind.replace('_', ' ')} | {family} | {loss:.3f} | {seconds:.0f} |")


def recipe(options: argparse.Namespace, kind: str, family: str, changes: dict[str, Any]) -> dict[str, Any]:
    data = options.data
    files: dict[str, Any] = {"text": str(data / "train.en"), "valid_text": str(data / "val.en")}
    if kind == "translation":
        files = {
            "source": str(data / "train.de"),
            "target": str(data / "train.en"),
            "valid_source": str(data / "val.de"),
            "valid_target": str(data / "val.en"),
            "bleu_sentences": 0,
        }
    table = {
        "family": family,
        "task": {"kind": kind, "block": 64},
        "model": {**SHAPE, **changes},
        "data": files,
        "tokenizer": {"size": 4000},
        "decode": {"beam": 1},
        "train": {
            "steps": options.steps,
            "batch_tokens": 2048,
            "learning_rate": 1e-3,
            "warmup": 200,
            "threads": 1,
            "label_smoothing": 0.0,
            "save_every": options.steps,
            "validate_every": max(1, options.steps // 5),
        },
    }
    return merge(table, {})


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with train.de, train.en, val.de, val.en")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--only", nargs="+", help="only these families")
    return parser.parse_args()


if __name__ == "__main__":
    main()
