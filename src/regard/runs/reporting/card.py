"""README.md of a run: the model card, with the front matter that model hubs read.

It says what the model was trained on, how large it is, how it scores and by which signatures, what it cost, how to
use and how to repeat it, and what it cannot do. Nothing is claimed that was not handed in: no licence, no language.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from regard.looking.lettering import visible
from regard.runs.reporting.wording import duration, name_of, number
from regard.storage import write_file

LIMITS = (
    "It has seen only the text named above: other topics, spellings and dialects come out worse.",
    "A translation can be fluent and wrong: names, numbers and negations deserve a second look.",
    "Scores compare only with scores of the same test set and signature.",
)
TOLD_ELSEWHERE = {
    "title",
    "name",
    "summary",
    "languages",
    "license",
    "library_name",
    "test_set",
    "scores",
    "commands",
    "pipeline_tag",
}


def write_card(path: Path, facts: Mapping[str, Any]) -> None:
    """Write the card, whole or not at all. Raises RunError where it cannot be written.

    ``facts``, all but the name optional: ``name`` (of the run); ``title``; ``summary`` (a sentence); ``languages``
    (codes, source first); ``license``; ``library_name``; ``test_set`` (its name); ``scores`` (``Scores.to_dict()``,
    with more numbers beside if wanted); ``commands`` (what they do: the line; otherwise the usual ones); ``limits``
    (sentences, in place of the usual ones). Other plain values stand in one table, other mappings each in their own.
    Of values whose key ends in ``_file`` only the file's name is told.
    """
    name = str(facts["name"])
    parts = [f"# {_escaped(facts.get('title', name))}"]
    if facts.get("summary"):
        parts.append(_escaped(facts["summary"]))
    if facts.get("languages"):
        parts.append("Languages: " + " → ".join(map(_escaped, facts["languages"])))
    others = {
        key: value for key, value in facts.items() if key not in {*TOLD_ELSEWHERE, "limits"} and value is not None
    }
    plain = {key: value for key, value in others.items() if not isinstance(value, Mapping)}
    tables = {"Facts": plain, **{name_of(key): value for key, value in others.items() if isinstance(value, Mapping)}}
    for heading, values in tables.items():
        if values:
            parts += [f"## {_escaped(heading)}", _table(["", ""], [_row(key, value) for key, value in values.items()])]
    if facts.get("scores"):
        parts += ["## Scores", *_scores(facts["scores"], facts.get("test_set"))]
    parts.append("## Commands")
    for does, command in facts.get("commands", _commands(name)).items():
        parts += [f"{_escaped(name_of(does))}:", _fenced(command, "sh")]
    parts += ["## Limits", "\n".join(f"- {_escaped(sentence)}" for sentence in facts.get("limits", LIMITS))]
    write_file(path, _front_matter(facts) + "\n" + "\n\n".join(parts) + "\n")


def _commands(name: str) -> dict[str, str]:
    run = shlex.quote(name)
    return {
        "translate": f"regard translate {run} input.txt > output.txt",
        "score": f"regard evaluate {run} --source test.source --target test.target",
        "repeat": f"regard train {run}/recipe.toml --out {shlex.quote(name + '-again')}",
    }


def _front_matter(facts: Mapping[str, Any]) -> str:
    lines = ["---"]
    if facts.get("languages"):
        lines += ["language:", *(f"- {_quoted(code)}" for code in facts["languages"])]
    for key in ("license", "library_name"):
        if facts.get(key):
            lines.append(f"{key}: {_quoted(facts[key])}")
    pipeline = _quoted(facts.get("pipeline_tag", "translation"))
    lines += [f"pipeline_tag: {pipeline}", "tags:", '- "regard"', f"- {pipeline}"]
    metrics = _metrics(facts.get("scores") or {})
    if metrics:
        lines += ["metrics:", *(f"- {_quoted(key)}" for key in metrics)]
    if metrics and facts.get("test_set"):
        test = _quoted(facts["test_set"])
        lines += ["model-index:", f"- name: {_quoted(facts['name'])}", "  results:", f"  - task: {{type: {pipeline}}}"]
        lines += [f"    dataset: {{name: {test}, type: {test}}}", "    metrics:"]
        for key, score in metrics.items():
            lines += [f"    - type: {_quoted(key)}", f"      value: {score['score']:.2f}"]
            lines.append(f"      args: {{signature: {_quoted(score.get('signature', ''))}}}")
    return "\n".join([*lines, "---", ""])


def _metrics(scores: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {key: value for key, value in scores.items() if isinstance(value, Mapping) and "score" in value}


def _scores(scores: Mapping[str, Any], test_set: str | None) -> list[str]:
    metrics = _metrics(scores)
    rows: list[tuple[Any, ...]] = []
    for key, value in metrics.items():
        interval = "" if value.get("mean") is None else f"{value['mean']:.2f} ± {value['half_width']:.2f}"
        rows.append((value.get("name", key), f"{value['score']:.2f}", interval))
    rows += [(name_of(k), v, "") for k, v in scores.items() if isinstance(v, int | float) and not isinstance(v, bool)]
    parts = [f"Test set: {_escaped(test_set)}"] if test_set else []
    parts.append(_table(["metric", "score", "95 % interval (bootstrap)"], rows))
    if metrics:
        signatures = [f"{value.get('name', key)}|{value.get('signature', '')}" for key, value in metrics.items()]
        parts += ["Signatures (sacreBLEU):", _fenced("\n".join(signatures), "")]
    return parts + [_escaped(note) for note in scores.get("notes", ())]


def _row(key: str, value: Any) -> tuple[str, Any]:
    if key == "seconds":
        return "Time", duration(value)
    if key.endswith("_file"):
        return name_of(key), PurePath(value).name
    return name_of(key), value


def _table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [headings, ["---"] * len(headings), *([_plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{_escaped(name_of(key))} {_plain(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return _escaped(value)


def _escaped(value: object) -> str:
    """Text for Markdown: none of its signs, and no HTML, does anything."""
    text = visible(str(value).replace("\n", " ")).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$]|^[-+=])", r"\\\1", text)


def _fenced(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{visible(text, keep=chr(10))}\n{fence}"


def _quoted(value: object) -> str:
    """A YAML string, written as JSON; what YAML does not print is a code point first."""
    return json.dumps(visible(str(value)), ensure_ascii=False).replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
