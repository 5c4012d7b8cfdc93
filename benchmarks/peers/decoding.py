"""Translating in turn: sentences a second, memory, start and BLEU of ours and of the peers, with the same weights."""

from __future__ import annotations

import dataclasses
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from peers.arms import Arm, Measured, in_turn
from peers.install import interpreter
from rich.table import Table
from sacrebleu.metrics import BLEU

from regard.decoding.settings import DecodingSettings


class Mode(NamedTuple):
    """How text is translated: hypotheses, and whether each line comes alone."""

    beam: int
    alone: bool

    @property
    def name(self) -> str:
        return f"{'greedy' if self.beam == 1 else f'beam {self.beam}'}, {'one at a time' if self.alone else 'batches'}"

    @property
    def arguments(self) -> tuple[str, ...]:
        return ("--beam", str(self.beam), *(["--alone"] if self.alone else []))


MODES = {mode.name: mode for mode in (Mode(5, False), Mode(5, True), Mode(1, False), Mode(1, True))}


def ours() -> list[str]:
    """The settings of our own arms: every engine and kind of product that this version has."""
    known = {field.name for field in dataclasses.fields(DecodingSettings)}
    if not {"engine", "products"} <= known:
        return ["threads=1"]
    return ["engine=torch", "engine=native,products=float32", "engine=native,products=int8"]


def read(settings: str) -> dict[str, int | str]:
    """``key=value,key=value`` as decoding settings."""
    given = dict(one.split("=", 1) for one in settings.split(","))
    return {name: int(value) if value.isdecimal() else value for name, value in given.items()}


def arms_of(model: Path, text: Path, mode: Mode, peers: Path | None, threads: int, own: Sequence[str]) -> list[Arm]:
    common = ("--model", str(model), "--text", str(text), *mode.arguments)
    found = [
        Arm(
            f"regard {', '.join(str(value) for value in read(settings).values())}",
            Path(sys.executable),
            "decode_regard.py",
            (*common, *settings.split(",")),
            threads,
            False,
        )
        for settings in own
    ]
    python = interpreter(peers, "transformers")
    if python is None:
        print("left out: transformers and CTranslate2 are not installed (peers/install.py)", file=sys.stderr)
        return found
    for count in {threads, 1} if mode.alone else {threads}:
        found.append(Arm(f"transformers, 1 × {count}", python, "decode_transformers.py", common, count))
    converted = convert(python, model, text.parent / "ctranslate2")
    return [*found, *_ctranslate2(python, (*common, "--converted", str(converted)), mode, threads)]


def _ctranslate2(python: Path, common: tuple[str, ...], mode: Mode, threads: int) -> Iterator[Arm]:
    """Workers × threads: every core on one batch, and a core to each of several. One line at a time gets one core:

    where this was tried more were slower.
    """
    ways = {(1, 1)} if mode.alone else {(1, threads), (threads, 1)}
    for products in ("float32", "int8"):
        for workers, each in sorted(ways):
            tokens = 8192 if workers == 1 else 2048  # the best of 512, 2,048 and 8,192 for each
            given = ("--products", products, "--workers", workers, "--threads", each, "--batch-tokens", tokens)
            name = f"CTranslate2 {products}, {workers} × {each}"
            yield Arm(name, python, "decode_ctranslate2.py", (*common, *map(str, given)), each, workers == 1)


def convert(python: Path, model: Path, folder: Path) -> Path:
    """The run as CTranslate2 reads it, made once by its own converter."""
    if not folder.exists():
        command = [python, "-m", "ctranslate2.converters.transformers", "--model", model, "--output_dir", folder]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return folder


def measure(arms: Sequence[Arm], turns: int, sentences: int) -> list[Measured]:
    return in_turn(arms, [sentences] * turns)


def rates(measured: Measured) -> list[float]:
    """Sentences a second of each turn, sorted."""
    return sorted(len(record["texts"]) / record["seconds"] for record in measured.records)


def table_of(results: Sequence[Measured], mode: Mode, references: Sequence[str]) -> Table:
    medians = [statistics.median(rates(one)) for one in results]
    table = Table(title=f"Translating, {mode.name}", title_justify="left")
    table.add_column("")
    columns = (
        "sentences/s",
        "least–most",
        "tokens/s",
        "of transformers",
        "of CTranslate2",
        "peak MiB",
        "start s",
        "BLEU",
    )
    for heading in columns:
        table.add_column(heading, justify="right")
    best = {
        peer: max((m for one, m in zip(results, medians, strict=True) if one.arm.name.startswith(peer)), default=None)
        for peer in ("transformers", "CTranslate2")
    }
    for one, middle in zip(results, medians, strict=True):
        found = rates(one)
        tokens = statistics.median(record["tokens"] / record["seconds"] for record in one.records)
        texts = [text for record in one.records for text in record["texts"]]
        table.add_row(
            one.arm.name,
            f"{middle:,.1f}",
            f"{found[0]:,.1f}–{found[-1]:,.1f}",
            f"{tokens:,.0f}",
            *(f"{middle / rate:.2f} ×" if rate else "" for rate in best.values()),
            f"{one.peak_mib:,.0f}",
            f"{one.start:.1f}",
            f"{bleu(texts, references):.2f}",
        )
    return table


def bleu(texts: Sequence[str], references: Sequence[str]) -> float:
    """sacreBLEU of the first lines (those that the turns have come to; no line counts twice)."""
    count = min(len(texts), len(references))
    return BLEU().corpus_score(texts[:count], [references[:count]]).score
