"""What ``regard evaluate`` found, for each kind of model: as tables for people and as one object for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regard.errors import SettingError

if TYPE_CHECKING:
    from regard.runs.measure_texts import Columns
    from regard.runs.model import Model

Table = tuple[str, Sequence[str], Sequence[Sequence[object]]]
CONFUSED = 20  # classes of which the whole table of what was taken for what is shown


@dataclass(frozen=True)
class Shown:
    """``table`` is the JSON object; ``tables``, a sentence and notes are for people."""

    table: Mapping[str, Any]
    tables: list[Table]
    sentence: str = ""
    notes: Sequence[str] = field(default_factory=list)


def check_files(
    command: str,
    files: tuple[Path | None, Path | None, Path | None],
    of_pairs: Mapping[str, object],
    of_text: Mapping[str, object],
) -> None:
    """One kind of test set, and no option that only the other kind heeds. Raises SettingError.

    ``files`` are those of --source, --target and --text.
    """
    source, target, text = files
    if (source is None) != (target is None):
        raise SettingError.because("--source", "one file of two", "a source and a target", "name both")
    if (source is None) == (text is None):
        got = "neither --source nor --text" if text is None else "both --source and --text"
        raise SettingError.because(command, got, "one kind of test set", "give --source and --target, or --text")
    heeded, unheeded = ("--source and --target", of_text) if text is None else ("--text", of_pairs)
    check_unheeded(heeded, unheeded)


def check_unheeded(heeded: str, unheeded: Mapping[str, object]) -> None:
    """Raises SettingError for an option that says nothing beside the ``heeded`` one."""
    for name, value in unheeded.items():
        if value is not None and value is not False:
            raise SettingError.because(name, value, f"none with {heeded}, where it says nothing", "leave it out")


def kind_of(model: Model, by_text: bool) -> str:
    """By what a model is scored: translations, labels, text or couples. Raises SettingError for the wrong files."""
    from regard.runs.measure_texts import predicts_text

    kinds = {"classification": "labels", "tokens": "labels", "none": "couples"}
    kind = kinds.get(model.head.kind, "text" if predicts_text(model) and by_text else "translations")
    if by_text != (kind in ("labels", "text")):
        got = f"{model.folder}, a {model.family} model with the head {model.head.kind!r}"
        if by_text:
            raise SettingError.because("--text", got, "a classifier or a language model", "give --source and --target")
        raise SettingError.because("--source", got, "a model that is scored by pairs", "give --text FILE")
    if kind == "translations":
        _ = model.translator  # raises for one that cannot translate
    return kind


def leaks(
    names: Sequence[str],
    models: Sequence[Model],
    kind: str,
    files: tuple[Path | None, Path | None, Path | None],
    columns: Columns,
    *,
    allowed: bool,
) -> list[str]:
    """Warnings of what the models were trained on. SettingError for much of that, unless it is ``allowed``."""
    from regard.runs.trained_on import pairs_trained_on, refuse_leak, rows_trained_on

    source, target, text = files
    found: list[str] = []
    for name, model in zip(names, models, strict=True):
        if source is not None and target is not None:
            warning = refuse_leak("--source", pairs_trained_on(model, source, target), name, allowed=allowed)
        elif text is not None and kind == "labels":
            warning = refuse_leak("--text", rows_trained_on(model, text, columns), name, allowed=allowed)
        else:
            continue
        found += [warning] if warning else []
    return found


def translations(
    names: Sequence[str],
    models: Sequence[Model],
    files: tuple[Path, Path],
    changes: Mapping[str, Any],
    with_rouge: bool,
    out: Path | None,
) -> Shown:
    """Scores of translations or summaries; of two models, whether they differ."""
    from regard.cli.console import counting
    from regard.data.corpus import read_pairs
    from regard.evaluation.translation import against
    from regard.runs.measure import measure
    from regard.storage import write_file

    sources, references = map(list, zip(*read_pairs(*files), strict=True))
    found = []
    for name, model in zip(names, models, strict=True):
        with counting(f"translating with {Path(name).name}", len(sources)) as progress:
            found.append(measure(model, sources, references, model.settings(**changes), progress, with_rouge))
    if out:
        write_file(out, "".join(f"{line}\n" for line in found[0].translations))
    tables: list[Table] = [(names[0], ("metric", "score", "95 %", "signature"), found[0].rows())]
    table = found[0].to_dict()
    surprise = found[0].perplexity
    if len(found) > 1:
        comparison = against(found[1].translations, found[0].translations, references)
        columns = ("metric", names[1], names[0], "difference", "p", "signature")
        tables.append(("Paired bootstrap", columns, comparison.rows()))
        table["against"] = comparison.to_dict()
    sentence = (
        f"perplexity {surprise.perplexity:.3f} per token ({surprise.nats_per_token:.4f} nats; "
        f"{surprise.nats_per_word:.4f} nats per reference word)"
    )
    return Shown(table, tables, sentence, found[0].notes)


def alignments(names: Sequence[str], models: Sequence[Model], files: tuple[Path, Path], true: Path) -> Shown:
    """How far the attention of each model, told the target, is from ``true`` alignments. Raises DataError."""
    from regard.data.corpus import read_pairs
    from regard.evaluation.alignment import alignment_error_rate, read_alignments
    from regard.looking import looks

    sources, targets = map(list, zip(*read_pairs(*files), strict=True))
    words = [(len(source.split()), len(target.split())) for source, target in zip(sources, targets, strict=True)]
    golds = read_alignments(true, words)
    tables: list[Table] = []
    figures: dict[str, Any] = {}
    for name, model in zip(names, models, strict=True):
        written = model.target_tokenizer.encode_batch(targets)
        scores = alignment_error_rate(looks.alignments(model, sources, written), golds)
        parts = {"error rate": scores.error_rate, "precision": scores.precision, "recall": scores.recall}
        rows = [
            (part, f"{100 * one.value:.1f} %", f"{100 * one.low:.1f}–{100 * one.high:.1f}")
            for part, one in parts.items()
        ]
        tables.append((f"{name}: alignment", ("", "", "95 %"), rows))
        figures[name] = {part: {"value": one.value, "low": one.low, "high": one.high} for part, one in parts.items()}
    note = "Of the mean over the heads of the last layer but one; intervals by bootstrap over the pairs."
    return Shown({"alignment": figures, "pairs": len(sources)}, tables, notes=[note])


def labels(names: Sequence[str], models: Sequence[Model], path: Path, columns: Columns, out: Path | None) -> Shown:
    """Scores of a classifier; of two, whether they differ."""
    from regard.evaluation.classification import Classification, mcnemar
    from regard.runs.measure_texts import measure_labels
    from regard.storage import write_file

    found = [measure_labels(model, path, columns) for model in models]
    first = found[0]
    if out:
        lines = (one if isinstance(one, str) else " ".join(one) for one in first.predicted)
        write_file(out, "".join(f"{line}\n" for line in lines))
    table = first.scores.to_dict()
    tables: list[Table] = [(names[0], ("score", "%", "95 %"), first.scores.rows())]
    notes: Sequence[str] = ()
    if isinstance(first.scores, Classification):
        tables.append(("Each class", ("class", "precision", "recall", "F1", "examples"), first.scores.class_rows()))
        classes = [one.label for one in first.scores.classes]
        if len(classes) <= CONFUSED:
            rows = [(name, *row) for name, row in zip(classes, first.scores.confusion, strict=True)]
            tables.append(("What was taken for what", ("true, found as", *classes), rows))
        notes = first.scores.notes
    if len(found) > 1:
        comparison = mcnemar(found[1].flat[0], first.flat[0], first.flat[1])
        tables.append(("McNemar's test", ("score", names[1], names[0], "difference", "p"), comparison.rows()))
        table["against"] = comparison.to_dict()
    return Shown(table, tables, notes=notes)


def text(name: str, model: Model, path: Path, unit: str | None) -> Shown:
    """How well a text is predicted."""
    from regard.runs.measure_texts import measure_text

    scores = measure_text(model, path, unit)
    return Shown(scores.to_dict(), [(name, ("measure", "value"), scores.rows())])


def couples(name: str, model: Model, source: Path, target: Path) -> Shown:
    """How often the nearest vector is the right one."""
    from regard.runs.measure_texts import measure_couples

    scores = measure_couples(model, source, target)
    return Shown(scores.to_dict(), [(name, ("score", "%", "95 %"), scores.rows())])
