"""Corpora that the recipes need, made out of others. Each is written into OUT.

    python benchmarks/corpora.py nsmc --data DATA/nsmc --out OUT
    python benchmarks/corpora.py prefixes --data DATA/multi30k --out OUT
    python benchmarks/corpora.py paragraphs --data DATA/wikitext2 --out OUT
    python benchmarks/corpora.py sst --data DATA --out OUT

``nsmc``: the training file's last 10,000 rows become valid.tsv, the others train.tsv. ``prefixes``: train.source has
every English caption twice, after "to German: " and after "to French: ", and only the prefix tells what the target is
in. ``paragraphs``: sentences to restore; and the first three sentences of each paragraph as a text, the first as its
summary. Every tenth paragraph is held out, of sentences too. ``sst``: plain text of its domain and others to learn
from before there are labels.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

HELD_OUT = 10_000  # rows of NSMC
EVERY = 10  # paragraphs
LANGUAGES = {"German": "de", "French": "fr"}


def nsmc(data: Path, out: Path) -> None:
    header, *rows = (data / "ratings_train.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    write(out / "train.tsv", [header, *rows[:-HELD_OUT]])
    write(out / "valid.tsv", [header, *rows[-HELD_OUT:]])


def prefixes(data: Path, out: Path) -> None:
    for split in ("train", "val"):
        english = lines(data / f"{split}.en")
        sources, targets = [], []
        for name, code in LANGUAGES.items():
            chosen = [f"to {name}: {line}" for line in english]
            write(out / f"{split}.{code}.source", chosen)
            write(out / f"{split}.{code}.target", lines(data / f"{split}.{code}"))
            sources += chosen
            targets += lines(data / f"{split}.{code}")
        write(out / f"{split}.source", sources)
        write(out / f"{split}.target", targets)


def paragraphs(data: Path, out: Path) -> None:
    found = [line.strip() for name in ("valid", "test") for line in lines(data / f"{name}.txt")]
    texts = [tidy(line) for line in found if line and not line.startswith("=")]
    for split, chosen in (
        ("train", [text for number, text in enumerate(texts) if number % EVERY]),
        ("valid", texts[::EVERY]),
    ):
        cut = [sentences(text) for text in chosen]
        write(out / f"sentences.{split}", [one for parts in cut for one in parts])
        long = [parts for parts in cut if len(parts) >= 3]
        write(out / f"text.{split}", [" ".join(parts[:3]) for parts in long])
        write(out / f"summary.{split}", [parts[0] for parts in long])


def sst(data: Path, out: Path) -> None:
    reviews = [line.split("\t")[0] for line in lines(data / "sst" / "sst2_train.tsv")[1:]]
    articles = [
        line.strip().lower() for name in ("valid", "test") for line in lines(data / "wikitext2" / f"{name}.txt")
    ]
    write(out / "pretraining.txt", [*reviews, *(line for line in articles if line and not line.startswith("="))])


def tidy(line: str) -> str:
    """Without the corpus's own spacing: ``1 @.@ 7`` is ``1.7``, and signs stand at their words."""
    line = re.sub(r" @(.)@ ", r"\1", line)
    line = re.sub(r" ([.,;:!?)\]%]|'s|'t)", r"\1", line)
    return re.sub(r"([(\[$]) ", r"\1", line).replace("<unk>", "unk")


def sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?]) (?=[A-Z\"(])", text) if len(part.split()) > 3]


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def write(path: Path, rows: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = {"nsmc": nsmc, "prefixes": prefixes, "paragraphs": paragraphs, "sst": sst}
    parser.add_argument("kind", choices=kinds)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    kinds[options.kind](options.data, options.out)


if __name__ == "__main__":
    main()
