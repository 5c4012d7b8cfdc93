"""Which summary of attention can be believed: delete the word that it says to matter, and watch the probability fall.

    python benchmarks/summaries.py RUN --source val.de [--sentences 100] [--words 1] [--json FILE]

The run explains its own translations (its decoding settings) of the sentences after the first ``--choosing``. Those
first ones choose two heads: the one whose weights are highest on average, and of all heads the one that this very
measure likes best. The table is Markdown; nats with 95 % intervals over sentences, minus what random words cost.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

import regard
from regard.data.lines import text_lines
from regard.decoding.interface import wrap_source
from regard.looking.attribution.faithfulness import Faithfulness, Pair, Report, faithfulness
from regard.looking.attribution.gradients import input_times_gradient
from regard.looking.attribution.heads import confidence, surest_head
from regard.looking.attribution.methods import BEST, summaries
from regard.looking.look import CROSS
from regard.looking.looks import words
from regard.looking.replay import attention_of

SIGNED = "input × gradient, signed"


def main() -> None:
    options = parse()
    model = regard.load(str(options.run))
    lines = [line for line in text_lines(options.source) if line.strip()][: options.choosing + options.sentences]
    pairs = list(explained(model, lines))
    choosing, reporting = pairs[: options.choosing], pairs[options.choosing :]
    head, names = choose(model.module, choosing, options.words)

    def explain(pair: Pair) -> dict[str, Tensor]:
        attention = attention_of(model.module, pair.read, pair.written)
        found = summaries(model.module, pair.read, pair.written, attention, head["most faithful"])
        if names:
            found |= {"surest head": attention.cross[head["surest"]]}
        signed = input_times_gradient(model.module, pair.read, pair.written)
        return {names.get(name, name): matrix for name, matrix in found.items()} | {SIGNED: signed}

    begun = time.perf_counter()
    report = faithfulness(model.module, reporting, explain, options.words)
    print(f"{options.run.name}: {report.sentences} sentences, {time.perf_counter() - begun:.0f} s\n")
    print(table(report, options.words))
    if options.json:
        options.json.write_text(json.dumps({"head": head, **asdict(report)}, indent=2) + "\n", encoding="utf-8")


def explained(model: Any, lines: list[str]) -> Iterator[Pair]:
    """Each line with the model's own translation."""
    for line, translation in zip(lines, model.translations(lines), strict=True):
        tokenizer = model.source_tokenizer
        read = wrap_source(tokenizer, tokenizer.encode(line), model.module.eos)
        written = [*translation.ids, model.module.eos]
        yield Pair(read, written, words(tokenizer, read).groups_of_text)


def choose(module: Any, pairs: list[Pair], k: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Two heads of the attention to the source, if there are several; and what the table calls the best."""
    weights = [attention_of(module, pair.read, pair.written).cross for pair in pairs]
    if not len(weights[0]) or weights[0][:, :, 0, 0].numel() == 1:
        return {"surest": None, "most faithful": None}, {}
    places = [[place for group in pair.words for place in group] for pair in pairs]
    surest = surest_head(confidence(one, own) for one, own in zip(weights, places, strict=True))
    layers, heads = weights[0].shape[:2]
    every = {f"{n},{h}": (n, h) for n in range(layers) for h in range(heads)}

    def explain(pair: Pair) -> dict[str, Tensor]:
        cross = attention_of(module, pair.read, pair.written).of(CROSS)
        return {name: cross[place] for name, place in every.items()}

    rated = faithfulness(module, pairs, explain, k).methods
    best = every[max(rated, key=lambda name: rated[name].token.value)]
    name = f"most faithful of {len(every)} heads (layer {best[0] + 1}, head {best[1] + 1})"
    return {"surest": surest, "most faithful": best}, {BEST: name}


def table(report: Report, k: int) -> str:
    """Methods, best first by token; then chance by itself, and the ceiling."""
    what = "word" if k == 1 else f"{k} words"
    rows = [f"| says which {what} mattered | nats lost of a token | nats lost of the text |", "|---|---|---|"]

    def row(name: str, found: Faithfulness) -> str:
        return f"| {name} | {found.token.text(2, 1)} | {found.text.text(2, 1)} |"

    order = sorted(report.methods, key=lambda name: -report.methods[name].token.value)
    rows += [row(name, report.methods[name]) for name in order]
    if report.most is not None:
        rows.append(row("*ceiling: the costliest*", report.most))
    rows.append(row("*random, not subtracted*", report.chance))
    return "\n".join(rows)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--source", type=Path, required=True, help="sentences, one a line")
    parser.add_argument("--sentences", type=int, default=100)
    parser.add_argument("--choosing", type=int, default=100, help="the first so many choose heads")
    parser.add_argument("--words", type=int, default=1, help="how many are deleted")
    parser.add_argument("--json", type=Path, help="write all numbers here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
