"""How far each summary of attention is from the true alignment, which is known for the built-in pairs.

    python benchmarks/alignment_errors.py demo-out/run --pairs 60

The demo's model is told the true translations. The best head is chosen on validation pairs; all is measured on test
pairs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import regard
from regard.data.builtin.sample import Pair, splits
from regard.data.builtin.true_links import true_links
from regard.decoding.interface import wrap_source
from regard.evaluation.alignment import alignment_error_rate, gold_links
from regard.looking.alignments import word_links
from regard.looking.attribution.heads import Aligned, best_head
from regard.looking.attribution.methods import summaries
from regard.looking.looks import words
from regard.looking.replay import attention_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--pairs", type=int, default=60)
    given = parser.parse_args()
    model = regard.load(given.run)
    pairs = splits()
    head = best_head([aligned(model, pair) for pair in pairs["valid"][: given.pairs]])
    test = pairs["test"][: given.pairs]
    golds = [gold_links(true_links(pair)) for pair in test]
    print(f"the best head of the validation pairs: layer {head[0] + 1}, head {head[1] + 1}; {len(test)} test pairs\n")
    print("| | alignment error rate, % | precision, % | recall, % |\n|---|---|---|---|")
    for name, found in links_of(model, test, head).items():
        scores = alignment_error_rate(found, golds)
        cells = [
            f"{100 * one.value:.1f} ({100 * one.low:.1f}–{100 * one.high:.1f})"
            for one in (scores.error_rate, scores.precision, scores.recall)
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def links_of(model: Any, pairs: Sequence[Pair], head: tuple[int, int]) -> dict[str, list[str]]:
    """By method, the links of each pair."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        read, written = ids_of(model, pair)
        sides = words(model.source_tokenizer, read), words(model.target_tokenizer, written)
        for name, matrix in summaries(model.module, read, written, head=head).items():
            found.setdefault(name, []).append(word_links(matrix, *sides))
    return found


def aligned(model: Any, pair: Pair) -> Aligned:
    """A pair with its attention and its true links."""
    read, written = ids_of(model, pair)
    sides = words(model.source_tokenizer, read), words(model.target_tokenizer, written)
    return Aligned(attention_of(model.module, read, written).cross, *sides, gold_links(true_links(pair)))


def ids_of(model: Any, pair: Pair) -> tuple[list[int], list[int]]:
    """What the model reads, and what it is told to write."""
    read = wrap_source(model.source_tokenizer, model.source_tokenizer.encode(pair.english), model.module.eos)
    return read, [*model.target_tokenizer.encode(pair.german), model.module.eos]


if __name__ == "__main__":
    main()
