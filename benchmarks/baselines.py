"""What came before, on one test set: recurrence, attention, convolution, Transformer; Multi30k German → English.

    pip install -c constraints.txt -r benchmarks/requirements.txt
    python benchmarks/baselines.py --data DATA --json baselines.json \
        LSTM=runs/lstm GRU+attention=runs/gru convolution=runs/conv Transformer=runs/m30k-de-en

BLEU (P) as benchmarks/multi30k.py explains it, greedy and with beam 4; the paired bootstrap is against the last run,
which is to be the Transformer. Perplexity is per piece of the run's own vocabulary; nats per word compare between all.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import spacy
from rich.console import Console
from rich.table import Table

import regard
from regard.data.corpus import read_lines
from regard.evaluation.translation import against, score
from regard.runs.folder import training_seconds
from regard.runs.measure import reference_perplexity

TEST = "multi30k/test_2016_flickr"
BEAMS = (1, 4)


@dataclass(frozen=True)
class Row:
    name: str
    parameters: int
    seconds: float | None
    perplexity: float
    nats_per_word: float
    bleu: dict[int, float]
    half_width: dict[int, float]
    delta: dict[int, float]
    p_value: dict[int, float]


def main() -> None:
    options = parse()
    sources, references = (list(read_lines(options.data / f"{TEST}.{side}")) for side in ("de", "en"))
    tokenizer = spacy.blank("en").tokenizer

    def tokens(text: str) -> str:
        return " ".join(token.text for token in tokenizer(text)).lower()

    models = {name: regard.load(folder) for name, folder in options.runs}
    said = {
        (name, beam): [tokens(line) for line in model.translate(sources, beam=beam)]
        for name, model in models.items()
        for beam in BEAMS
    }
    expected = list(map(tokens, references))
    last = options.runs[-1][0]
    rows = []
    for name, folder in options.runs:
        scores = {beam: score(said[name, beam], expected, tokenize="none").bleu for beam in BEAMS}
        tests = {beam: against(said[last, beam], said[name, beam], expected, tokenize="none").bleu for beam in BEAMS}
        surprise = reference_perplexity(models[name], sources, references)
        rows.append(
            Row(
                name,
                models[name].parameters,
                training_seconds(folder),
                surprise.perplexity,
                surprise.nats_per_word or 0.0,
                {beam: one.score for beam, one in scores.items()},
                {beam: one.half_width or 0.0 for beam, one in scores.items()},
                {beam: test.delta for beam, test in tests.items()},
                {beam: test.p_value for beam, test in tests.items()},
            )
        )
    show(rows, last)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")


def show(rows: list[Row], last: str) -> None:
    table = Table("", "parameters", "seconds", "perplexity", "nats/word")
    for beam in BEAMS:
        table.add_column(f"BLEU (P), beam {beam}")
        table.add_column(f"Δ to {last}")
    for row in rows:
        cells = [row.name, f"{row.parameters:,}", f"{row.seconds or 0:.0f}", f"{row.perplexity:.2f}"]
        cells.append(f"{row.nats_per_word:.3f}")
        for beam in BEAMS:
            cells.append(f"{row.bleu[beam]:.2f} ± {row.half_width[beam]:.2f}")
            cells.append("" if row.name == last else f"{row.delta[beam]:+.2f} (p = {row.p_value[beam]:.4f})")
        table.add_row(*cells)
    Console(width=160).print(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=named, metavar="NAME=RUN")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def named(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    return name, Path(folder)


if __name__ == "__main__":
    main()
