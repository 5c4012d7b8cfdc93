"""What ``regard compare`` found, for each kind of model: as tables, as one array for programs, and as a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regard.cli.evaluated import Table, kind_of
from regard.errors import RegardError, RunError, SettingError

if TYPE_CHECKING:
    from regard.decoding.settings import DecodingSettings
    from regard.evaluation.compare import Compared
    from regard.runs.measure_texts import Columns
    from regard.runs.model import Model

MOST_EDGES = 20
PICTURE, NUMBERS = "comparison.svg", "comparison.json"
TOKENS_DIFFER = "The runs cut text into different tokens: their perplexities per token do not compare; nats per {} do."


@dataclass(frozen=True)
class Scoring:
    """How translations are scored; ``edges`` are the ends of the buckets of source length."""

    edges: tuple[int, ...]
    tokenize: str
    lowercase: bool


@dataclass(frozen=True)
class Found:
    """The rows, what they are of, and what a reader of them should know; ``written`` are files of a folder."""

    title: str
    rows: Sequence[Compared]
    unit: str
    length_unit: str
    signatures: Sequence[str]
    notes: Sequence[str]
    written: Mapping[str, str]

    @property
    def table(self) -> list[dict[str, Any]]:
        """An object a run."""
        return [row.to_dict() for row in self.rows]

    def tables(self) -> list[Table]:
        """All in one, or where the terminal is narrower than that, what the runs are and how good they are."""
        names = short_names([row.facts.name for row in self.rows])
        facts, scores = [row.facts.cells(self.unit) for row in self.rows], [row.cells() for row in self.rows]
        whole = _table(self.title, names, [{**one, **other} for one, other in zip(facts, scores, strict=True)])
        if _width(whole) <= _columns():
            tables = [whole]
        else:
            tables = [_table("Training", names, facts), _table(self.title, names, scores)]
        if any(row.by_length for row in self.rows):
            lines = [{bucket.label: f"{bucket.bleu:.2f}" for bucket in row.by_length} for row in self.rows]
            lines.append({bucket.label: f"{bucket.lines:,}" for bucket in self.rows[0].by_length})
            tables.append(_table("BLEU by length", [*names, "sentences"], lines, f"source {self.length_unit}"))
        return tables


def edges_of(text: str) -> tuple[int, ...]:
    """``10,20,30`` as numbers. Raises SettingError where they do not rise."""
    parts = text.split(",")
    edges = tuple(int(part) for part in parts if part.strip().isdecimal())
    if len(edges) < len(parts) or len(edges) > MOST_EDGES or list(edges) != sorted({*edges} - {0}):
        raise SettingError.because("--lengths", repr(text), "rising whole numbers from 1 on", "use 10,20,30,40")
    return edges


def check_out(out: Path) -> None:
    """Refuse, before the work, what no picture and no folder can be made of."""
    from regard.looking.style import picture_suffix

    if out.suffix and not out.is_dir():
        picture_suffix(out)
    elif out.exists() and not out.is_dir():
        raise RunError.because(out, "a file", "a folder, or a picture's .png, .svg or .pdf", "choose another name")


def kind_of_all(names: Sequence[str], models: Sequence[Model], by_text: bool) -> str:
    """By what all are scored. Raises SettingError where that differs, else as ``kind_of``."""
    kinds: list[str] = []
    errors: list[RegardError] = []
    for model in models:
        try:
            kind = kind_of(model, by_text)
            kinds.append(f"{kind} of words" if model.head.kind == "tokens" else kind)
        except RegardError as error:
            kinds.append("")
            errors.append(error)
    if len(errors) == len(models):
        raise errors[0]
    if len(set(kinds)) > 1:
        other = next(number for number, kind in enumerate(kinds) if kind != kinds[0])
        got = f"{names[0]} and {names[other]}, which learnt different things"
        expected = "translators only, classifiers only or language models only"
        raise SettingError.because("RUN", got, expected, "compare those of each kind by themselves")
    if kinds[0] == "couples":
        got = f"{names[0]}, a model of vectors"
        raise SettingError.because(
            "RUN", got, "translators, classifiers or language models", "use regard evaluate for each"
        )
    return kinds[0].removesuffix(" of words")


def translations(
    names: Sequence[str],
    models: Sequence[Model],
    files: tuple[Path, Path],
    settings: Sequence[DecodingSettings],
    scoring: Scoring,
) -> Found:
    """Translators: BLEU, chrF and perplexity of each, BLEU by source length, and the paired bootstrap."""
    from regard.cli.console import counting
    from regard.data.corpus import read_pairs
    from regard.evaluation.compare import compare
    from regard.runs.measure import facts_of, same_pieces, translated

    sources, references = map(list, zip(*read_pairs(*files), strict=True))
    facts = [facts_of(name, model) for name, model in zip(names, models, strict=True)]
    entries = []
    for known, model, chosen in zip(facts, models, settings, strict=True):
        with counting(f"translating with {Path(known.name).name}", len(sources)) as progress:
            entries.append(translated(known, model, sources, references, chosen, progress))
    lengths, unit = source_lengths(sources)
    rows = compare(
        entries,
        references,
        lengths,
        edges=scoring.edges,
        tokenize=scoring.tokenize,
        lowercase=scoring.lowercase,
    )
    notes = [note for row in rows for note in row.notes]
    if not same_pieces([model.target_tokenizer for model in models], references):
        notes.append(TOKENS_DIFFER.format("reference word"))
    shorts = short_names(names)
    if len({(one.beam, one.length_penalty) for one in settings}) > 1:
        told = ", ".join(
            f"{name} {one.beam} (α {one.length_penalty:g})" for name, one in zip(shorts, settings, strict=True)
        )
        notes.append(f"Each run decoded as it was set, with a beam of: {told}.")
    signatures = [f"{one.name}  {one.signature}" for one in (rows[0].bleu, rows[0].chrf)]
    texts = {
        f"{number}-{name.replace('/', '-')}.txt": "".join(f"{line}\n" for line in entry.hypotheses)
        for number, (name, entry) in enumerate(zip(shorts, entries, strict=True), start=1)
    }
    return Found(f"{files[0]} → {files[1]}", rows, "tokens", unit, signatures, list(dict.fromkeys(notes)), texts)


def source_lengths(sources: Sequence[str]) -> tuple[list[int], str]:
    """How long each source is, in words; in characters, where most lines have no space between words."""
    several = sum(len(line.split()) > 1 for line in sources)
    if 2 * several < len(sources) and any(len(line.strip()) > 20 for line in sources):
        return [len(line.strip()) for line in sources], "characters"
    return [len(line.split()) for line in sources], "words"


def labels(names: Sequence[str], models: Sequence[Model], path: Path, columns: Columns) -> Found:
    """Classifiers of texts, or of words: accuracy and macro F1 of each, and McNemar's test."""
    from regard.cli.console import counting
    from regard.evaluation.compare import compare_labels
    from regard.runs.measure import facts_of
    from regard.runs.measure_texts import measure_labels

    found = []
    with counting("classifying", len(models)) as progress:
        for number, model in enumerate(models, start=1):
            found.append(measure_labels(model, path, columns).flat)
            progress(number)
    gold = found[0][1]
    for name, model, (_, theirs) in zip(names, models, found, strict=True):
        if theirs != gold:
            asked = [columns.of(one)[-1] for one in (models[0], model)]
            got = f"{asked[0]!r} for {names[0]} and {asked[1]!r} for {name}, whose rows differ"
            raise SettingError.because("--label", got, "the same labelled texts for all", "name the columns")
    facts = [facts_of(name, model) for name, model in zip(names, models, strict=True)]
    classes = sorted({*gold, *(label for model in models for label in model.head.labels)})
    rows = compare_labels([(one, each) for one, (each, _) in zip(facts, found, strict=True)], gold, classes)
    notes = list(dict.fromkeys(note for row in rows for note in row.notes))
    unit = "words" if models[0].head.kind == "tokens" else "texts"
    return Found(str(path), rows, unit, "words", (), notes, {})


def texts(names: Sequence[str], models: Sequence[Model], path: Path, unit: str | None) -> Found:
    """Models of text: how well each predicts it. Raises SettingError where they learnt to predict different things."""
    from regard.cli.console import counting
    from regard.evaluation.compare import TextRow
    from regard.runs.measure import facts_of, same_pieces
    from regard.runs.measure_texts import measure_text

    rows: list[TextRow] = []
    with counting("predicting", len(models)) as progress:
        for name, model in zip(names, models, strict=True):
            scores = measure_text(model, path, unit)
            rows.append(TextRow(facts_of(name, model), scores.perplexity, scores.predicted))
            if scores.predicted != rows[0].predicted:
                got = f"{rows[0].predicted} for {names[0]} and {scores.predicted} for {name}"
                expected = "runs that learnt to predict the same thing"
                raise SettingError.because("task.kind", got, expected, "compare those of each kind by themselves")
            progress(len(rows))
    notes = []
    if not same_pieces([model.source_tokenizer for model in models], ()):
        told = rows[0].surprise.nats_per_byte is not None
        note = TOKENS_DIFFER.format("word and byte")
        notes.append(note if told else note.partition(";")[0] + ".")
    return Found(str(path), rows, "tokens", "words", (), notes, {})


def write(found: Found, out: Path) -> None:
    """The picture; or a folder of it, of the numbers, and of what the runs wrote."""
    from regard.looking.figures import comparison, save
    from regard.storage import write_file

    names = short_names([row.facts.name for row in found.rows])
    figure = comparison(names, found.rows, title=found.title, length_unit=found.length_unit)
    folder = out if out.is_dir() or not out.suffix else out.parent
    folder.mkdir(parents=True, exist_ok=True)
    if folder is not out:
        save(figure, out)
        return
    save(figure, out / PICTURE)
    write_file(out / NUMBERS, json.dumps(found.table, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    for name, content in found.written.items():
        write_file(out / name, content)


def short_names(names: Sequence[str]) -> list[str]:
    """The names without the folders that all have in common; their last part stays."""
    parts = [Path(name).parts or (name,) for name in names]
    levels = zip(*(one[:-1] for one in parts), strict=False)
    shared = sum(1 for _ in takewhile(lambda level: len({*level}) == 1, levels))
    return ["/".join(one[shared:]) for one in parts]


def _table(title: str, names: Sequence[str], rows: Sequence[Mapping[str, str]], first: str = "run") -> Table:
    """What no row knows is no column."""
    headings = [heading for heading in rows[0] if any(row[heading] for row in rows)]
    lines = [(name, *(row[heading] for heading in headings)) for name, row in zip(names, rows, strict=True)]
    return title, (first, *headings), lines


def _width(table: Table) -> int:
    _, headings, rows = table
    return sum(3 + max(len(str(line[place])) for line in (headings, *rows)) for place in range(len(headings)))


def _columns() -> int:
    from rich.console import Console

    from regard.cli.console import WIDTH_IN_FILES

    console = Console()
    return console.width if console.is_terminal else WIDTH_IN_FILES
