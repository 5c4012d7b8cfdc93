"""BLEU of a run on Multi30k's test_2016, each of the three ways in which such figures are published.

    pip install -c constraints.txt -r benchmarks/requirements.txt
    python benchmarks/multi30k.py runs/m30k-de-en --data DATA --direction de-en
    python benchmarks/multi30k.py runs/m30k-en-de --data DATA --direction en-de --tokenized

(P) lower-cased tokens of spaCy's rules (its blank pipeline), hypotheses and references alike, as the well-known
    tutorial notebooks score; (T) lower-cased Moses tokens against the published tokenised reference; (S) sacreBLEU's
    own tokenizer (13a) on plain text, cased; for a run that was
    trained on lower-cased tokens: detokenised, case-insensitive.
DATA holds ``multi30k/`` (plain text) and ``multi30k_tok/`` (lower-cased, normalised, Moses-tokenised).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sacremoses
import spacy

import regard
from regard.data.corpus import read_lines
from regard.evaluation.scores import Score
from regard.evaluation.translation import score

TEST = "test_2016_flickr"
Rewrite = Callable[[str], str]


def main() -> None:
    options = parse()
    source, target = options.direction.split("-")
    plain, tokenized = options.data / "multi30k", options.data / "multi30k_tok"
    references = list(read_lines(plain / f"{TEST}.{target}"))
    moses_references = list(read_lines(tokenized / f"{TEST}.lc.norm.tok.{target}"))
    sources = list(
        read_lines(tokenized / f"{TEST}.lc.norm.tok.{source}" if options.tokenized else plain / f"{TEST}.{source}")
    )
    model = regard.load(options.run)
    table = []
    for beam in options.beams:
        began = time.perf_counter()
        hypotheses = model.translate(sources, beam=beam)
        seconds = time.perf_counter() - began
        for name, value in scores(hypotheses, references, moses_references, target, options.tokenized).items():
            table.append({"beam": beam, "way": name, "seconds": round(seconds, 1), **vars(value)})
            interval = f"{value.mean:.2f} ± {value.half_width:.2f}"
            print(f"beam {beam}  ({name})  BLEU {value.score:.2f}  95 % {interval}  {seconds:.0f} s  {value.signature}")
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--direction", choices=("de-en", "en-de"), required=True)
    parser.add_argument("--tokenized", action="store_true", help="the run was trained on multi30k_tok")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def scores(
    hypotheses: Sequence[str],
    references: Sequence[str],
    moses_references: Sequence[str],
    language: str,
    tokenized: bool,
) -> dict[str, Score]:
    """The three BLEUs of one set of translations."""
    moses = sacremoses.MosesTokenizer(language)
    normalise = sacremoses.MosesPunctNormalizer(language).normalize
    detokenize = sacremoses.MosesDetokenizer(language)
    pipeline = spacy.blank(language)

    def to_moses(text: str) -> str:
        return " ".join(moses.tokenize(normalise(text))).lower()

    def to_spacy(text: str) -> str:
        return " ".join(token.text for token in pipeline.tokenizer(text)).lower()

    plain = [detokenize.detokenize(line.split()) for line in hypotheses] if tokenized else list(hypotheses)
    in_moses = list(hypotheses) if tokenized else [to_moses(line) for line in hypotheses]
    return {
        "P": score(list(map(to_spacy, plain)), list(map(to_spacy, references)), tokenize="none").bleu,
        "T": score(in_moses, list(moses_references), tokenize="none").bleu,
        "S": score(plain, list(references), lowercase=tokenized).bleu,
    }


if __name__ == "__main__":
    main()
