"""The translating that every peer does: so many lines a turn, going on where the last turn stopped.

This file runs in the peers' environments: it knows nothing of regard. The clock includes tokenising both ways.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from turns import Record, Turns

LONGEST = 80  # tokens of a translation; of text such as image descriptions none comes near

Translate = Callable[[Sequence[str]], tuple[list[str], int]]


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser()
    found.add_argument("--model", type=Path, required=True, help="a run, in which transformers sees a Marian model")
    found.add_argument("--text", type=Path, required=True)
    found.add_argument("--beam", type=int, default=5)
    found.add_argument("--alone", action="store_true", help="one line at a time")
    return found


def serve(turns: Turns, name: str, translate: Translate, options: argparse.Namespace) -> None:
    """``translate`` gives the texts and how many tokens they have, ``</s>`` included."""
    lines = options.text.read_text(encoding="utf-8").splitlines()
    place = 0

    def work(count: int) -> Iterator[Record]:
        nonlocal place
        some = [lines[number % len(lines)] for number in range(place, place + count)]
        began = time.perf_counter()
        parts = [translate([line]) for line in some] if options.alone else [translate(some)]
        seconds = time.perf_counter() - began
        place = place + count if count > 1 else 0  # the warm-up's line comes again
        yield {
            "seconds": seconds,
            "texts": [text for texts, _ in parts for text in texts],
            "tokens": sum(tokens for _, tokens in parts),
        }

    turns.serve(name, work, warm_up=1)
