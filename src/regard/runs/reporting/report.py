"""report.html: a run on one page that works offline, with curves, scores, translations, facts and settings.

Whatever comes from users (names, sentences, settings) is escaped and shown as text; the page has no script, and its
content policy forbids loading anything. Pictures are SVG images inside the file, so they follow light and dark too.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from regard.data.clean import CleaningReport
from regard.looking.figures import learning_curve, themed_svg
from regard.runs.reporting.markup import as_html, escaped, has_parts, isolated, table
from regard.runs.reporting.report_page import PAGE, STYLE
from regard.runs.reporting.wording import duration, name_of
from regard.storage import write_file

VALIDATION = ("step", "seconds", "valid_loss", "valid_perplexity", "valid_bleu")


def write_report(
    path: Path,
    *,
    title: str,
    settings_toml: str,
    metrics: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Any] | None,
    samples: Sequence[tuple[str, str, str]],
    facts: Mapping[str, Any],
    figures: Mapping[str, Figure],
) -> None:
    """Write the page, whole or not at all. The same arguments give the same bytes.

    ``metrics`` are the records of metrics.jsonl. ``scores`` is ``Scores.to_dict()``, with further numbers beside the
    metrics if wanted. ``samples`` are (source, reference, translation). Plain values of ``facts`` stand at the top;
    a mapping, dataclass or list among them becomes a section under its key, also a CleaningReport. ``figures`` come by
    the text below them; the learning curve is drawn from ``metrics``. Raises RunError where it cannot be written.
    """
    sections = {
        "Scores": _scores(scores) if scores else "",
        "Learning": _learning(metrics) if metrics else "",
        "Translations": "\n".join(map(_sample, samples)),
        "Pictures": "\n".join(_figure(figure, name, name) for name, figure in figures.items()),
        **{name_of(key): _fact(value) for key, value in facts.items() if has_parts(value)},
        "Settings": f"<pre><code>{escaped(settings_toml, 10**6)}</code></pre>" if settings_toml else "",
    }
    present = [(f"s{number}", escaped(name), body) for number, (name, body) in enumerate(sections.items()) if body]
    tiles = {key: value for key, value in facts.items() if not has_parts(value) and value is not None}
    if "seconds" in tiles:
        tiles["time"] = duration(tiles.pop("seconds"))
    page = PAGE.substitute(
        title=escaped(title),
        style=STYLE,
        tiles=_tiles({**_training(metrics), **tiles}),
        links="".join(f'<a href="#{key}">{name}</a>' for key, name, _ in present),
        sections="\n".join(f'<section id="{key}"><h2>{name}</h2>\n{body}</section>' for key, name, body in present),
    )
    write_file(path, page)


def _tiles(values: Mapping[str, Any]) -> str:
    tiles = (f"<div><dt>{escaped(name_of(k))}</dt><dd>{as_html(v)}</dd></div>" for k, v in values.items())
    return f'<dl class="tiles">{"".join(tiles)}</dl>' if values else ""


def _scores(scores: Mapping[str, Any]) -> str:
    rows, notes = [], []
    for key, value in scores.items():
        if isinstance(value, Mapping) and "score" in value:
            interval = "" if value.get("mean") is None else f"{value['mean']:.2f} ± {value['half_width']:.2f}"
            signature = f"<code>{escaped(value.get('signature', ''))}</code>"
            rows.append((escaped(value.get("name", key)), f"{value['score']:.2f}", interval, signature))
        elif key == "notes":
            notes = list(value)
        elif not has_parts(value):
            rows.append((escaped(name_of(key)), as_html(value), "", ""))
    body = "".join(
        f'<tr><th>{name}</th><td class="number">{score}</td><td class="number">{interval}</td><td>{signature}</td></tr>'
        for name, score, interval, signature in rows
    )
    head = '<th></th><th class="number">score</th><th class="number">95 % interval</th><th>signature</th>'
    said = "".join(f'<p class="note">{escaped(note)}</p>' for note in notes)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{said}'


def _training(metrics: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What the records say of the whole training: steps, time, speed and memory."""
    steps = [record for record in metrics if "loss" in record]
    if not steps:
        return {}
    told = {
        "steps": f"{max(record['step'] for record in steps):,}",
        "time": duration(max(record.get("seconds", 0.0) for record in metrics)),
    }
    speeds = sorted(record["tokens_per_second"] for record in steps if record.get("tokens_per_second") is not None)
    if speeds:
        told["median speed"] = f"{speeds[len(speeds) // 2]:,.0f} tokens/s"
    memory = [record["memory_mib"] for record in steps if record.get("memory_mib") is not None]
    if memory:
        told["most memory"] = f"{max(memory):,.0f} MiB"
    return told


def _learning(metrics: Sequence[Mapping[str, Any]]) -> str:
    picture = _figure(learning_curve(metrics, title=""), "", "The learning curve: losses and BLEU against steps")
    rows = [[record.get(column) for column in VALIDATION] for record in metrics if "valid_loss" in record]
    if not rows:
        return picture
    numbers = table([name_of(column) for column in VALIDATION], rows)
    return f"{picture}<details><summary>The validations in numbers ({len(rows)})</summary>{numbers}</details>"


def _figure(figure: Figure, caption: str, description: str) -> str:
    encoded = base64.b64encode(themed_svg(figure).encode("utf-8")).decode("ascii")
    below = f"<figcaption>{escaped(caption)}</figcaption>" if caption else ""
    return f'<figure><img alt="{escaped(description)}" src="data:image/svg+xml;base64,{encoded}">{below}</figure>'


def _sample(sample: tuple[str, str, str]) -> str:
    same = ' <span class="same" title="as the reference">✓</span>' if sample[1] == sample[2] else ""
    parts = zip(("source", "reference", "translation"), sample, ("", "", same), strict=True)
    return (
        '<dl class="sample">' + "".join(f"<dt>{n}</dt><dd>{isolated(t)}{mark}</dd>" for n, t, mark in parts) + "</dl>"
    )


def _fact(value: Any) -> str:
    if not isinstance(value, CleaningReport):
        return as_html(value)
    counts = table(["", "pairs", "where"], value.rows())
    examples = [
        (rule, example.line, example.source, example.target)
        for rule, dropped in value.dropped.items()
        for example in dropped.examples
    ]
    if not examples:
        return counts
    shown = table(["rule", "line", "source", "target"], examples)
    return f"{counts}<details><summary>Examples of what was left out ({len(examples)})</summary>{shown}</details>"
