"""What every task's data has in common: it is read and checked, prepared on disk, fed to training, and measured."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from matplotlib.figure import Figure

from regard import families
from regard.data.store import Store
from regard.data.tokenizers.layout import LAYOUTS, Layout
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.errors import DataError, SettingError
from regard.models.heads import LANGUAGE, Head
from regard.models.vocabulary import NO_TEXT, Vocabulary
from regard.runs.material.begun import Begun
from regard.runs.recipe import Recipe, label_smoothing
from regard.storage import write_file
from regard.training.loop import Feed, Task

DATA, FACTS = "data", "facts.json"
HELD_OUT = 1000
MUCH_UNKNOWN, LOOKED_AT = 0.2, 1_000_000  # the share of unknown tokens that is told, among so many
Progress = Callable[[int], None]
Row = TypeVar("Row")
Preparing = Callable[[int, int], None]  # is told how many examples are prepared, of how many


class Corpus(Protocol):
    """The checked texts of a recipe: nothing has been written yet."""

    @property
    def recipe(self) -> Recipe:
        """What it was read by."""

    @property
    def kept(self) -> int:
        """How many examples were read, and not left out."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of the files: what was left out, and what looks wrong with them."""


@dataclass(frozen=True)
class Results:
    """How a model does on the validation data: ``scores`` has ``to_dict()`` and ``rows()`` under ``columns``.

    ``samples`` are (input, what is right, what the model says).
    """

    scores: Any
    columns: tuple[str, ...]
    samples: list[tuple[str, str, str]] = field(default_factory=list)


class Material(ABC):
    """The prepared data of one run. Each kind of task has its own."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        """Open what ``prepare`` wrote into the run ``folder``. Raises DataError where it is damaged."""
        self.recipe = recipe
        self.train = Store.open(folder / DATA / "train")
        self.valid = Store.open(folder / DATA / "valid")
        self.facts: dict[str, Any] = json.loads((folder / DATA / FACTS).read_text(encoding="utf-8"))
        self.begun = Begun.read(folder / DATA)

    @property
    def head(self) -> Head:
        """What the model predicts."""
        return LANGUAGE

    @property
    def settings(self) -> Any:
        """How the model is trained."""
        return self.recipe.train

    @property
    def smoothing(self) -> float:
        """ε_ls of the loss."""
        return label_smoothing(self.recipe)

    def vocabulary(self) -> Vocabulary:
        """The ids that the model must know of."""
        return NO_TEXT

    @abstractmethod
    def task(self) -> Task:
        """What is lost on a batch."""

    @abstractmethod
    def feed(self) -> Feed:
        """The batches to train on."""

    @abstractmethod
    def validation(self) -> Iterator[Any]:
        """The batches to measure the loss on, the same ones each time."""

    def measured(self, module: Any) -> dict[str, float]:
        """Further figures of a model under training, for metrics.jsonl."""
        return {}

    def share_of_scores(self) -> float:
        """How long the final scores take, as a multiple of one validation."""
        return 1.0

    @abstractmethod
    def results(self, module: Any, progress: Progress | None = None) -> Results:
        """The scores of the finished model on the validation data."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """What the report and the card say of the data."""

    def figures(self, module: Any) -> dict[str, Figure]:
        """Pictures for the report: of the data, and of what the finished model does with it."""
        return {}


class TokenMaterial(Material):
    """Data with text in it, and the tokenizers of its two sides."""

    def __init__(self, recipe: Recipe, folder: Path, source: Tokenizer, target: Tokenizer) -> None:
        super().__init__(recipe, folder)
        self.source, self.target = source, target

    def vocabulary(self) -> Vocabulary:
        """The ids that the model must know of: those of the checkpoint that it began with, if any."""
        if self.begun is not None:
            return self.begun.vocabulary
        roles = {role: getattr(self.source, role) for role in ("eos", "pad", "bos", "sep", "mask")}
        shared = self.source is self.target
        found: Vocabulary = families.get(self.recipe.family).vocabulary(
            self.source.size, self.target.size, shared=shared, roles=roles
        )
        return found

    def pads(self) -> tuple[int, int]:
        """The ids that fill up short texts of the source and of the target. Raises SettingError."""
        vocabulary = self.vocabulary()
        if vocabulary.source_pad is None or vocabulary.pad is None:
            action = "use a checkpoint whose tokenizer has padding, or an end"
            raise SettingError.because("tokenizer", "no token that fills up short texts", "one", action)
        return vocabulary.source_pad, vocabulary.pad


def layout_of(recipe: Recipe) -> Layout:
    """How the special tokens of the recipe's family stand."""
    return LAYOUTS[families.get(recipe.family).LAYOUT]


def unwatched(done: int, total: int) -> None:
    """For ``prepare`` where nobody waits."""


def counted(rows: Iterable[Row], total: int, progress: Preparing) -> Iterator[Row]:
    """The same rows; ``progress`` hears of each."""
    for done, row in enumerate(rows, start=1):
        yield row
        progress(done, total)


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """What was found while preparing. It is written last: a run that has it is prepared."""
    write_file(folder / DATA / FACTS, json.dumps(facts, ensure_ascii=False, indent=2) + "\n")


def notes_of(store: Store, name: str, tokenizer: Tokenizer, recipe: Recipe) -> list[str]:
    """What the user should know of the ids: a smaller vocabulary than asked for, much that it cannot spell."""
    found = []
    asked = recipe.tokenizer.size
    if tokenizer.size < asked and recipe.init.checkpoint is None:
        found.append(
            f"tokenizer.size: {asked} asked for; the training text has pieces for {tokenizer.size} only, which it is"
        )
    ids = store.ids[name][:LOOKED_AT]
    share = float((ids == tokenizer.unk).mean()) if len(ids) and tokenizer.unk is not None else 0.0
    if share > MUCH_UNKNOWN:
        found.append(
            f"Warning: {share:.0%} of the {name} tokens are unknown to a vocabulary of {tokenizer.size}; "
            "raise tokenizer.size, or take tokenizer.kind=bpe, which spells what it does not know"
        )
    return found


def dropped_note(count: int, what: str) -> list[str]:
    """That so many texts were not UTF-8, where any were."""
    return [f"{count} {what} with bytes that are not UTF-8 left out"] if count else []


def state_of(*paths: str | None) -> tuple[tuple[str, int, int], ...]:
    """Each file's size and time, which it must still have when it is read again; one that is not there has neither."""
    found = []
    for path in paths:
        with suppress(OSError, ValueError):
            status = Path(str(path)).stat()
            found.append((str(path), status.st_size, status.st_mtime_ns))
    return tuple(found)


def refuse_changes(before: tuple[tuple[str, int, int], ...]) -> None:
    """Raise DataError where a file is not what it was: its texts would no longer be those that were counted."""
    now = state_of(*(path for path, *_ in before))
    for one in before:
        if one not in now:
            got, action = "a file that was changed while it was read", "begin again, and leave it alone"
            raise DataError.because(one[0], got, "it to stay as it was", action)


def is_prepared(folder: Path) -> bool:
    """Whether preparing has come to its end in this run."""
    return (folder / DATA / FACTS).exists()


def held_out(count: int, wanted: int | None) -> int:
    """Every so-manieth example is held out, so that ``wanted`` are, or some fewer, and at most a half.

    Where nobody says how many, about ``HELD_OUT``, and at most a twentieth.
    """
    return max(20, count // HELD_OUT) if wanted is None else max(2, -(-count // wanted))


def named_file(name: str, path: str | None, action: str) -> Path:
    """The file that a setting must name. Raises SettingError."""
    if path is None:
        raise SettingError.because(name, "nothing", "a file", action)
    return Path(path)


def longest_text(recipe: Recipe) -> int:
    """Tokens of a text at most, special ones included, where the rest is cut off."""
    return min(recipe.data.max_tokens, recipe.model.most_tokens or recipe.data.max_tokens)


def batches_of(plan: Sequence[np.ndarray], collate: Callable[[np.ndarray], Any]) -> Iterator[Any]:
    """The batches of a plan."""
    return (collate(rows) for rows in plan)
