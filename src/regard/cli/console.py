"""What a person sees while a command works: bars with speed and time left, tables, plain lines where no one looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from regard.runs.watcher import Watcher

if TYPE_CHECKING:
    from regard.training.loop import Step

WIDTH_IN_FILES = 160  # characters of a table that goes into a file or a pipe
TOLD_EVERY = 32  # examples that are prepared: a bar costs more than many of them
SMOOTHING = 0.95  # of the shown loss and speed, from one step to the next


def messages() -> Console:
    """Everything that is not a command's result goes to standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say_if_not_fast(model: Any, settings: Any) -> None:
    """What keeps ``--fast`` from changing anything, if something does."""
    if reason := model.translator.engines.choose(settings).reason:
        messages().print(f"--fast changes nothing: {reason}", markup=False)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on standard output; the first column to the left, the others as they come."""
    table = Table(title=title, title_justify="left", show_header=any(columns), show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    terminal = Console(highlight=False)
    console = terminal if terminal.is_terminal else Console(highlight=False, width=WIDTH_IN_FILES)
    console.print(table)


def _bar(console: Console, *extra: TextColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *extra,
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


@contextmanager
def counting(description: str, total: int | None) -> Iterator[Any]:
    """A bar; call what this yields with the number that is done."""
    with _bar(messages()) as progress:
        task = progress.add_task(description, total=total)
        yield lambda done: progress.update(task, completed=done)


class StudyProgress:
    """Shows a study: a bar for the part that is under way; where no one looks, a line for each part."""

    def __init__(self) -> None:
        self.console = messages()
        self._progress = _bar(self.console)
        self._task = self._progress.add_task("", total=None, visible=False)

    def __enter__(self) -> StudyProgress:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def begin(self, part: str, total: int) -> None:
        """A new part of ``total`` steps."""
        if self.console.is_terminal:
            self._progress.reset(self._task, description=part, total=total, visible=True)
        else:
            self.console.print(part, markup=False)

    def done(self, steps: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=steps)


class TrainingProgress(Watcher):
    """Shows a training run: a bar with loss, speed, memory and time left, and a line for each validation.

    ``unit`` is what the loss is divided by, and the speed counts: tokens, texts, words.
    """

    def __init__(self, unit: str = "tokens") -> None:
        self.console = messages()
        self.unit = unit
        self._progress = _bar(
            self.console,
            TextColumn("loss {task.fields[loss]:.3f}"),
            TextColumn("{task.fields[speed]:,.0f} " + f"{unit}/s"),
            TextColumn("{task.fields[memory]:,.0f} MiB"),
        )
        self._preparing = _bar(self.console)
        self._loss = self._speed = 0.0

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(self, *error: object) -> None:
        self._preparing.stop()
        self._progress.stop()

    def stage(self, text: str) -> None:
        """A new part of the work."""
        self._progress.stop()
        self.console.print(f"[dim]{text} …[/dim]")

    def note(self, text: str) -> None:
        """A sentence for the user."""
        self.console.print(text, markup=False)

    def prepared(self, done: int, total: int) -> None:
        """Show how far the examples are; a set of them that is complete makes room for the next."""
        if done % TOLD_EVERY and done != total:
            return
        if not self._preparing.tasks:
            self._preparing.add_task("examples")
            self._preparing.start()
        self._preparing.update(self._preparing.task_ids[0], completed=done, total=total)

    def begin(self, steps: int, done: int) -> None:
        """Show the bar."""
        self._preparing.stop()
        self._task = self._progress.add_task("training", total=steps, completed=done, loss=0.0, speed=0.0, memory=0.0)
        self._progress.start()

    def step(self, step: Step, memory: float) -> None:
        """Move the bar."""
        speed = step.target_tokens / step.seconds
        share = SMOOTHING if self._speed else 0.0
        self._loss = share * self._loss + (1 - share) * step.loss
        self._speed = share * self._speed + (1 - share) * speed
        self._progress.update(self._task, completed=step.number, loss=self._loss, speed=self._speed, memory=memory)

    def validated(self, record: Mapping[str, Any]) -> None:
        """One line of validation figures."""
        further = "".join(
            f"   {name} {100 * record[key]:.2f} %"
            for key, name in (("valid_accuracy", "accuracy"), ("valid_recall", "recall"), ("valid_ap50", "AP50"))
            if key in record
        )
        if "valid_bleu" in record:
            further += f"   BLEU {record['valid_bleu']:5.2f}"
        if self.unit.endswith("tokens"):  # of two classes a perplexity says nothing
            further = f"   perplexity {record['valid_perplexity']:8.2f}{further}"
        self.console.print(
            f"step {record['step']:>6}   {record['seconds']:7.0f} s   validation loss {record['valid_loss']:.3f}"
            f"{further}   training {self._speed:,.0f} {self.unit}/s"
        )
