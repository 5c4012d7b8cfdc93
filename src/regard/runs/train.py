"""The conductor of a training run: it drives the loop, and between steps validates, logs, saves and stops."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from regard import families
from regard.config import to_table
from regard.errors import CheckpointError, RunError, SettingError, TrainingError
from regard.runs.doctor import file_system
from regard.runs.finish import Finished, finish
from regard.runs.folder import CHECKPOINTS, METRICS, RECIPE, WEIGHTS, open_tokenizers, read_recipe, write_tokenizers
from regard.runs.journal import Journal
from regard.runs.lock import locked
from regard.runs.material import (
    Material,
    dropped_from,
    is_prepared,
    learn_tokenizers,
    open_material,
    prepare,
    read_corpus,
)
from regard.runs.material.contract import DATA
from regard.runs.plan import PAUSES, count_steps, parse_budget, seconds_of_step, settle, steps_within
from regard.runs.recipe import Recipe, laid_over, recipe_from
from regard.runs.saving import Saver
from regard.runs.signature import compare, completed, facts, flat, refuse_changed_data, shown
from regard.runs.signs import Signs
from regard.runs.standing import Standing, standing_of
from regard.runs.start import Start, begin_from, initialise, restrict
from regard.runs.stopping import StopRequest
from regard.runs.validate import Validator
from regard.runs.watcher import Watcher
from regard.storage import appearing, sweep, write_file
from regard.training.checkpoint import restore_checkpoint, set_aside, sweep_checkpoints, whole_checkpoints
from regard.training.loop import Trainer
from regard.training.memory import is_out_of_memory
from regard.training.schedule import Schedule


@dataclass(frozen=True)
class Outcome:
    """How ``train`` ended: finished, or stopped on request after ``step`` with a checkpoint."""

    folder: Path
    step: int
    finished: Finished | None


def train(
    table: Mapping[str, Any], folder: Path, watcher: Watcher, *, resume: bool, overwrite: bool, force: bool = False
) -> Outcome:
    """Train a run from nothing, or go on with one.

    ``table`` is the recipe as far as it was given; ``force`` begins with a model for which there is too little memory.
    Raises SettingError, DataError, RunError, before anything is
    written; TrainingError underway, with the last checkpoint left as it was.
    """
    with locked(folder):
        try:
            return _train(table, folder, watcher, resume=resume, overwrite=overwrite, force=force)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            got, action = " ".join(str(error).split())[:200], "use a smaller model, or a machine with more"
            raise TrainingError.because("model", got, "memory for weights and statistics", action) from error


def _train(
    table: Mapping[str, Any], folder: Path, watcher: Watcher, *, resume: bool, overwrite: bool, force: bool
) -> Outcome:
    began = time.monotonic()
    for warning in file_system.warnings(folder.absolute().parent):
        watcher.note(warning)
    sweep(folder)
    if resume and (folder / RECIPE).exists():
        return _continue(folder, table, watcher, began)
    _refuse_occupied(folder, overwrite)
    table, start = _begin(table)
    watcher.stage("reading")
    recipe = recipe_from(table)
    corpus = read_corpus(recipe, force=force)
    for note in (*dropped_from(recipe), *corpus.notes):
        watcher.note(note)
    if recipe.train.budget:
        parse_budget(recipe.train.budget)
    watcher.stage("preparing")
    with appearing(folder) as partial:
        tokenizers = start.tokenizers if start else learn_tokenizers(corpus)
        write_tokenizers(partial, *tokenizers)
        for note in prepare(corpus, partial, *tokenizers, force=force, progress=watcher.prepared):
            watcher.note(note)
        if start is not None:
            start.begun().write(partial / DATA)
        run = _Run(recipe, _material(recipe, partial), partial, watcher, began, start)
        run.settle()
    run.folder = folder
    return run.go(Standing())


def _begin(table: Mapping[str, Any]) -> tuple[dict[str, Any], Start | None]:
    """The recipe's table with that of the checkpoint to begin with, if any, under it."""
    init = table.get("init")
    name = init.get("checkpoint") if isinstance(init, Mapping) else None
    return begin_from(table, name) if isinstance(name, str) else (dict(table), None)


def _material(recipe: Recipe, folder: Path) -> Material:
    return open_material(recipe, folder, *open_tokenizers(folder, families.get(recipe.family)))


def _refuse_occupied(folder: Path, overwrite: bool) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() and not folder.is_dir():
        raise RunError.because("--out", f"{folder}, a file", "a folder", "choose another name")
    if folder.exists() and not overwrite:
        holds_run = (folder / RECIPE).exists() or is_prepared(folder)
        got = f"{folder}, which already holds {'a run' if holds_run else 'files'}"
        action = "add --resume to go on, or --overwrite to begin anew" if holds_run else "choose another folder"
        raise RunError.because("--out", got, "a new or empty folder", action)
    if folder.exists() and not ((folder / RECIPE).exists() or is_prepared(folder)):
        got = f"{folder}, which holds files that are not a run"
        raise RunError.because("--overwrite", got, "a run", "choose another folder")


def _continue(folder: Path, table: Mapping[str, Any], watcher: Watcher, began: float) -> Outcome:
    recipe = read_recipe(folder)
    _refuse_changes(recipe, table)
    if (folder / WEIGHTS).exists():
        watcher.note(f"{folder} is finished: {recipe.train.steps} steps. Nothing to do.")
        return Outcome(folder, int(recipe.train.steps or 0), None)
    run = _Run(recipe, _material(recipe, folder), folder, watcher, began, None)
    return run.go(run.restore())


def _refuse_changes(recipe: Recipe, table: Mapping[str, Any]) -> None:
    """A run that goes on is the same run: whatever is given again must be as it was."""
    kept, given = (flat(to_table(one)) for one in (recipe, laid_over(recipe, table)))
    changed = [f"{key}={value}" for key, value in given.items() if kept.get(key) != value]
    if changed:
        action = "leave them out, or begin another run"
        raise SettingError.because("--resume", ", ".join(changed), "the settings that the run began with", action)


class _Run:
    """One run under way."""

    def __init__(
        self, recipe: Recipe, material: Material, folder: Path, watcher: Watcher, began: float, start: Start | None
    ) -> None:
        self.material, self.folder, self.watcher, self.began = material, folder, watcher, began
        self.start = start
        if recipe.train.threads:
            torch.set_num_threads(recipe.train.threads)
        self.family = families.get(recipe.family)
        self._adopt(recipe)

    def _adopt(self, recipe: Recipe) -> None:
        self.recipe = self.material.recipe = recipe
        self.trainer = self._trainer()
        self.validator = Validator(self.material, self._fresh_model())

    def _fresh_model(self) -> Any:
        return self.family.build(self.recipe.model, self.material.vocabulary(), self.material.head)

    def _trainer(self) -> Trainer:
        settings = self.recipe.train
        torch.manual_seed(settings.seed)
        model = self._fresh_model()
        if self.start is not None:
            initialise(model, self.start, self.material.head)
        restrict(model, self.recipe, self.material.begun, self.material.head)
        schedule = Schedule(settings.schedule, settings.learning_rate or 0.0, settings.warmup or 1, settings.steps or 1)
        return Trainer(model, self.material.task(), self.material.feed(), schedule, settings)

    def settle(self) -> None:
        """Fix the number of steps, and with it the whole recipe, and write it down."""
        settings = self.recipe.train
        steps, pauses = count_steps(settings, len(self.trainer.feed.epoch(0))), PAUSES
        if settings.budget and settings.steps is None:
            self.watcher.stage("calibrating")
            steps, pauses = self._fit(settings.budget)
        self._adopt(settle(self.recipe, steps, pauses))
        write_file(self.folder / RECIPE, self.recipe.to_toml())
        if self.start is not None:  # what it began with may be gone when it is resumed
            self._saver().save({**asdict(Standing()), **facts(self.recipe, self.folder)})

    def _fit(self, budget: str) -> tuple[int, int]:
        """How many steps and pauses fit into the budget, by trying a few steps and a pause."""
        seconds = parse_budget(budget)
        step = seconds_of_step(self.trainer, seconds)
        began = time.monotonic()
        self.validator.record(self.trainer.kept_weights())
        pause = time.monotonic() - began
        scores = pause * self.material.share_of_scores()
        steps, pauses = steps_within(seconds - (time.monotonic() - self.began) - scores, step, pause)
        self.watcher.note(f"{step:.2f} s a step, so {steps} steps fit into {budget}")
        return steps, pauses

    def _saver(self) -> Saver:
        return Saver(self.folder / CHECKPOINTS, self.trainer, self.recipe.train)

    def restore(self) -> Standing:
        """Go back to the newest whole checkpoint, or to the beginning where there is none."""
        refuse_changed_data(self.folder)
        sweep_checkpoints(self.folder / CHECKPOINTS)
        now = facts(self.recipe, self.folder)
        for checkpoint, problem in whole_checkpoints(self.folder / CHECKPOINTS):
            if problem:
                aside = set_aside(checkpoint)
                self.watcher.note(
                    f"{checkpoint} is damaged ({problem}): kept as {aside.name}, going back to the one before"
                )
                continue
            kept = restore_checkpoint(checkpoint, self.trainer)
            standing = standing_of(checkpoint, kept, now, self.trainer.step)
            if told := compare(completed(kept, self.recipe), now, checkpoint):
                self.watcher.note(told)
            if self.trainer.step > (steps := int(self.recipe.train.steps or 0)):
                got, action = f"step {self.trainer.step}", "delete it and resume from the one before"
                raise CheckpointError.because(checkpoint, got, f"at most the {steps} of the run", action)
            self.watcher.note(f"resuming after step {self.trainer.step}")
            return standing
        if self.material.begun is not None:
            got, action = "no whole one, so that the weights to begin with are gone", "begin anew with --overwrite"
            raise CheckpointError.because(self.folder / CHECKPOINTS, got, "that of step 0 or a later one", action)
        self.watcher.note("no checkpoint yet: beginning at step 1")
        return Standing()

    def go(self, standing: Standing) -> Outcome:
        """Train to the end, or until asked to stop."""
        settings, trainer = self.recipe.train, self.trainer
        steps = int(settings.steps or 0)
        self.began = time.monotonic() - standing.seconds
        self.facts, self.saver, signs = facts(self.recipe, self.folder), self._saver(), Signs()
        if warning := self.saver.check_room():
            self.watcher.note(warning)
        self.watcher.note(shown(self.facts["signature"]))
        journal = Journal(self.folder / METRICS, standing.metrics_bytes, self.folder if settings.tensorboard else None)
        self.watcher.begin(steps, trainer.step)
        with StopRequest() as stop, journal:
            for step in () if self._is_enough(standing) else trainer.steps(steps):
                last = step.number == steps
                journal.step(step, time.monotonic() - self.began, every=settings.log_every)
                self.watcher.step(step, journal.memory)
                for notice in (step.notice, signs.after(step)):
                    if notice:
                        self.watcher.note(notice)
                if step.number % int(settings.validate_every or 1) == 0 or last:
                    self._validate(standing, journal)
                early = self._is_enough(standing)
                if step.number % int(settings.save_every or 1) == 0 or last or early or stop.requested:
                    self._save(standing, journal)
                if early:
                    self.watcher.note(f"no better loss in {settings.patience} validations: stopping early")
                    break
                if stop.requested and not last:
                    return Outcome(self.folder, step.number, None)
        self.watcher.stage("finishing")
        seconds = time.monotonic() - self.began
        done = finish(self.folder, self.material, self.validator, standing.best_steps, seconds)
        return Outcome(self.folder, trainer.step, done)

    def _is_enough(self, standing: Standing) -> bool:
        patience = self.recipe.train.patience
        return patience is not None and standing.without_improvement >= patience

    def _validate(self, standing: Standing, journal: Journal) -> None:
        record = self.validator.record(self.trainer.kept_weights())
        standing.validated(record["valid_loss"], self.trainer.step)
        record = {"step": self.trainer.step, "seconds": round(time.monotonic() - self.began, 3), **record}
        journal.write(record)
        self.watcher.validated(record)

    def _save(self, standing: Standing, journal: Journal) -> None:
        standing.seconds = time.monotonic() - self.began
        standing.metrics_bytes = journal.flush()
        self.saver.save({**asdict(standing), **self.facts})
        self.watcher.saved(self.trainer.step)
        self.saver.prune([step for _, step in standing.best_steps])
