"""Settings: frozen dataclasses ↔ TOML ↔ ``key=value`` on the command line.

A setting is declared once, where it is used, with its default, its range and its sentence of help:

    @dataclass(frozen=True)
    class Optimisation:
        steps: int = setting(1000, help="updates of the weights", minimum=1)

``build`` turns nested tables into such dataclasses and reports every problem in one go.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import tomli_w

from regard.errors import SettingError

Table = Mapping[str, Any]
Dataclass = TypeVar("Dataclass")


def setting(
    default: Any,
    *,
    help: str,
    minimum: float | None = None,
    below: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] | None = None,
) -> Any:
    """A dataclass field that knows its range: ``minimum ≤ value < below``, ``≤ maximum``, or one of ``choices``."""
    return dataclasses.field(
        default=default,
        metadata={"help": help, "minimum": minimum, "below": below, "maximum": maximum, "choices": choices},
    )


def build(cls: type[Dataclass], table: Table, prefix: str = "") -> Dataclass:
    """Make a settings dataclass from a (nested) table.

    Raises SettingError that names every unknown key (with the nearest known one), wrong type and
    value out of range at once, a line each.
    """
    problems: list[str] = []
    result = _build(cls, table, prefix, problems)
    if problems:
        raise SettingError("\n".join(problems))
    return result


def _build(cls: type[Dataclass], table: Table, prefix: str, problems: list[str]) -> Dataclass:
    hints = get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    before = len(problems)
    for key, value in table.items():
        name = f"{prefix}{key}"
        if key not in fields:
            known = [prefix + field for field in fields]
            problems.append(str(unknown_key(name, known, below=[below for below, *_ in describe(cls, prefix)])))
        elif dataclasses.is_dataclass(hints[key]) and isinstance(value, Mapping):
            values[key] = _build(hints[key], value, f"{name}.", problems)
        else:
            problem = check(fields[key], hints[key], name, value)
            if problem:
                problems.append(problem)
            else:
                values[key] = _convert(hints[key], value)
    if len(problems) > before:  # how settings fit together can only be said of settings that are right
        return cls.__new__(cls)
    try:
        return cls(**values)
    except SettingError as error:  # the dataclass's own check of how its settings fit together
        problems.extend(f"{prefix}{line}" for line in str(error).splitlines())
        return cls.__new__(cls)


def unknown_key(name: str, known: Sequence[str], below: Sequence[str] = ()) -> SettingError:
    """The error for a key nobody knows; it names the nearest of ``known``, or of those in the tables ``below``.

    Near is judged by the last part alone: in ``train.zzz`` the table is right and says nothing.
    """
    for names in (known, below):
        last = {dotted.rpartition(".")[2]: dotted for dotted in names}
        near = difflib.get_close_matches(name.rpartition(".")[2], last, n=1, cutoff=0.6)
        if near:
            return SettingError.because(name, "an unknown key", "a known one", f"did you mean {last[near[0]]}")
    return SettingError.because(name, "an unknown key", "a known one", f"known here are {', '.join(known)}")


def check(field: dataclasses.Field[Any], hint: Any, name: str, value: Any) -> str | None:
    """The problem with one value, as the house's sentence, or None."""
    expected = _type_problem(hint, value) or _range_problem(field.metadata, value)
    if expected is None:
        return None
    default = "" if field.default is dataclasses.MISSING else f" (the default is {field.default!r})"
    return f"{name}: got {value!r}; expected {expected}; {_nearest(field.metadata, hint, value)}{default}."


def _nearest(metadata: Mapping[str, Any], hint: Any, value: Any) -> str:
    """What to do: the allowed value next to the one given, where there is one."""
    choices, low, high, most = (metadata.get(name) for name in ("choices", "minimum", "below", "maximum"))
    if choices is not None:
        near = difflib.get_close_matches(str(value), list(map(str, choices)), n=1, cutoff=0.6)
        return f"use {near[0]}" if near else "change it"
    if _type_problem(hint, value) or isinstance(value, bool) or not isinstance(value, int | float):
        return "change it"
    if low is not None and value < low:
        return f"use {low} or more"
    if high is not None and value >= high:
        return f"use less than {high}"
    if most is not None and value > most:
        return f"use {most} or less"
    return "change it"


def _type_problem(hint: Any, value: Any) -> str | None:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for option in options:
        kind = get_origin(option) or option
        if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
            return None if _is_finite(value) else "a finite number"
        if kind is tuple and isinstance(value, list | tuple):
            element = get_args(option)[0]
            problem = next(filter(None, (_type_problem(element, item) for item in value)), None)
            return problem and f"a list, each {problem}"
        if isinstance(value, bool) and kind is not bool:
            continue
        if isinstance(kind, type) and isinstance(value, kind):
            return None
    kinds = [get_origin(option) or option for option in options if option is not NoneType]
    readable = {str: "text", int: "a whole number", float: "a number", bool: "true or false", tuple: "a list"}
    return " or ".join(readable.get(kind, "a table of settings") for kind in kinds)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False


def _range_problem(metadata: Mapping[str, Any], value: Any) -> str | None:
    choices = metadata.get("choices")
    if choices is not None and value not in choices:
        return "one of " + ", ".join(map(str, choices))
    low, high, most = (metadata.get(name) for name in ("minimum", "below", "maximum"))
    if isinstance(value, int | float) and not isinstance(value, bool):
        if low is not None and value < low:
            return f"at least {low}"
        if high is not None and value >= high:
            return f"less than {high}"
        if most is not None and value > most:
            return f"at most {most}"
    return None


def _convert(hint: Any, value: Any) -> Any:
    options = (hint, *get_args(hint))
    if float in options and int not in options and type(value) is int:
        return float(value)
    return tuple(value) if isinstance(value, list) else value


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises SettingError with the parser's line and column."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingError.because(path, error.strerror or error, "a readable TOML file", "check the path") from error
    except UnicodeDecodeError as error:
        raise SettingError.because(path, "bytes that are not UTF-8", "a TOML file", "save it as UTF-8") from error
    except (ValueError, RecursionError) as error:  # the parser's own, a number of too many digits, too deep a nest
        raise SettingError.because(path, error, "valid TOML", "correct that line") from error


def to_table(settings: Any) -> dict[str, Any]:
    """A settings dataclass as nested tables; ``None`` (which TOML lacks) is left out."""
    table: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            table[field.name] = to_table(value)
        elif value is not None:
            table[field.name] = list(value) if isinstance(value, tuple) else value
    return table


def to_toml(settings: Any) -> str:
    """The settings as TOML text, complete: ``build(cls, tomllib.loads(to_toml(x))) == x``."""
    return tomli_w.dumps(to_table(settings))


def merge(first: Table, second: Table) -> dict[str, Any]:
    """The tables of ``first`` with those of ``second`` laid over them."""
    merged = dict(first)
    for key, value in second.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """``["train.steps=10", "model.activation=gelu"]`` as nested tables; values are TOML, or plain text."""
    tables: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not all(part.isidentifier() for part in key.split(".")):
            raise SettingError.because(pair, "no key=value", "a setting such as train.steps=1000", "write it so")
        nested: Any = _parse_value(text)
        for part in reversed(key.split(".")):
            nested = {part: nested}
        tables = merge(tables, nested)
    return tables


def _parse_value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text  # more than one: the text had lines of its own


def describe(cls: type[Any], prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every setting below ``cls`` as (dotted name, help, default)."""
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        name = f"{prefix}{field.name}"
        if dataclasses.is_dataclass(hints[field.name]):
            yield from describe(hints[field.name], f"{name}.")
        else:
            yield name, field.metadata.get("help", ""), field.default
