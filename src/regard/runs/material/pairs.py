"""Text from text: translation, summaries, and whatever else has a source and a target."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from regard.data.batching import Batch, plan_batches, plan_sequential
from regard.data.clean import Cleaner
from regard.data.corpus import prefixed, read_pairs
from regard.data.in_step import InStep
from regard.data.leaks import Leaks
from regard.data.lines import is_whole
from regard.data.store import Store, write_store
from regard.data.template import Template, wrapped
from regard.data.tokenizers.tokenizer import Tokenizer, train_tokenizer
from regard.decoding.settings import DecodingSettings
from regard.decoding.translator import Translator
from regard.errors import DataError, SettingError
from regard.evaluation.translation import corpus_bleu, score
from regard.looking.figures import lengths, translation_map
from regard.looking.looks import attended, read_and_written
from regard.looking.translation_map import aligns_words
from regard.models.heads import LANGUAGE
from regard.models.public import Fit
from regard.runs.material.contract import (
    DATA,
    Preparing,
    Progress,
    Results,
    TokenMaterial,
    batches_of,
    counted,
    held_out,
    layout_of,
    notes_of,
    refuse_changes,
    state_of,
    unwatched,
    write_facts,
)
from regard.runs.model import Model
from regard.runs.recipe import Recipe
from regard.storage import write_file
from regard.tasks.translation import Translation
from regard.training.loop import Feed

Pair = tuple[str, str]
GREEDY = DecodingSettings(beam=1)
COLUMNS = ("metric", "score", "95 %", "signature")


@dataclass(frozen=True)
class PairCorpus:
    """The cleaned pairs of a recipe, read from its files again each time, and the validation pairs.

    ``every``: where no validation files are named, every so-manieth kept pair is held out (0: none is).
    """

    recipe: Recipe
    every: int
    valid: list[Pair]
    cleaning: dict[str, Any]
    notes: tuple[str, ...]
    state: tuple[tuple[str, int, int], ...]

    @property
    def kept(self) -> int:
        """Pairs after cleaning."""
        return int(self.cleaning["kept"])

    def train(self) -> Iterator[Pair]:
        """The pairs to train on. Raises DataError where a file has changed since it was read first."""
        refuse_changes(self.state)
        for number, pair in enumerate(_cleaned(self.recipe, Cleaner(self.recipe.cleaning))):
            if not self.every or number % self.every:
                yield pair
        refuse_changes(self.state)


def read(recipe: Recipe) -> PairCorpus:
    """Read and check every file of the recipe once, writing nothing. Raises DataError or SettingError."""
    data = recipe.data
    for name, first, second in (
        ("data.source", data.source, data.target),
        ("data.valid_source", data.valid_source, data.valid_target),
    ):
        if (first is None) != (second is None):
            raise SettingError.because(name, "one file of two", "a source and a target", "name both or none")
    if data.source is None:
        raise SettingError.because("data.source", "nothing", "two text files", "give --source FILE --target FILE")
    state = state_of(data.source, data.target)
    named = list(_named_validation(recipe))
    valid = [pair for _, pair in named]
    if data.valid_source is not None and not valid:
        got = "no pair with text on both sides"
        raise DataError.because(data.valid_source, got, "validation pairs", "check both files, or name neither")
    cleaner, in_step, leaks = Cleaner(recipe.cleaning), InStep(), Leaks(named)
    for pair in _cleaned(recipe, cleaner, in_step):
        leaks.see(cleaner.report.read, pair)
    kept = cleaner.report.kept
    every = 0 if valid else held_out(kept, data.valid_pairs)
    if not valid:
        _refuse_single_pair(recipe, cleaner)
        valid = [pair for number, pair in enumerate(_cleaned(recipe, Cleaner(recipe.cleaning))) if number % every == 0]
    found = (
        cleaner.report.note(),
        in_step.note(data.source, data.target),
        leaks.note("pairs", data.valid_source, data.source),
    )
    notes = tuple(note for note in found if note is not None)
    return PairCorpus(recipe, every, valid, asdict(cleaner.report), notes, state)


def _refuse_single_pair(recipe: Recipe, cleaner: Cleaner) -> None:
    if cleaner.report.kept == 1:
        got = f"one pair to train on and none to measure on ({cleaner.report.note() or 'there is but one'})"
        action = "check the corpus, or name validation files"
        raise DataError.because(recipe.data.source, got, "at least two pairs", action)


def _cleaned(recipe: Recipe, cleaner: Cleaner, in_step: InStep | None = None) -> Iterator[Pair]:
    data = recipe.data
    pairs = read_pairs(Path(str(data.source)), Path(str(data.target)), bad_text=data.bad_text)
    return prefixed(cleaner(pairs if in_step is None else in_step.watch(pairs)), recipe.task.prefix)


def _named_validation(recipe: Recipe) -> Iterable[tuple[int, Pair]]:
    """The pairs with text on both sides, and their lines."""
    data = recipe.data
    if data.valid_source is None or data.valid_target is None:
        return []
    pairs = read_pairs(Path(data.valid_source), Path(data.valid_target), bad_text=data.bad_text)
    numbered = enumerate(prefixed(pairs, recipe.task.prefix), start=1)
    return ((line, pair) for line, pair in numbered if _has_text(pair, recipe.task.prefix))


def _has_text(pair: Pair, prefix: str) -> bool:
    source, target = pair
    return bool(source.removeprefix(f"{prefix}: ").strip() and target.strip()) and all(map(is_whole, pair))


def learn_tokenizers(corpus: PairCorpus) -> tuple[Tokenizer, Tokenizer]:
    """One tokenizer for both sides, or one each, learnt from the training pairs."""
    settings, layout = corpus.recipe.tokenizer, layout_of(corpus.recipe)
    if settings.joint:
        both = train_tokenizer(chain.from_iterable(corpus.train()), settings, layout)
        return both, both
    return (
        train_tokenizer((source for source, _ in corpus.train()), settings, layout),
        train_tokenizer((target for _, target in corpus.train()), settings, layout),
    )


def prepare(
    corpus: PairCorpus, folder: Path, source: Tokenizer, target: Tokenizer, progress: Preparing = unwatched
) -> list[str]:
    """Write everything that training reads into the run ``folder``; what this returns is for the user to know."""
    longest = corpus.recipe.data.max_tokens
    data = folder / DATA
    pairs = counted(corpus.train(), corpus.kept - (len(corpus.valid) if corpus.every else 0), progress)
    train = write_store(data / "train", pairs, source, target, longest)
    write_store(data / "valid", corpus.valid, source, target, longest)
    # Those that the store leaves out as too long are not translated either: the model may have no positions for them.
    sides = (zip(*corpus.valid, strict=True), (source, target))
    counts = [map(len, tokenizer.encode_batch(list(texts))) for texts, tokenizer in zip(*sides, strict=True)]
    kept = [pair for pair, *both in zip(corpus.valid, *counts, strict=True) if max(both) <= longest]
    write_file(data / "valid.json", json.dumps(kept, ensure_ascii=False))
    write_facts(folder, {"cleaning": corpus.cleaning})
    notes = [f"{train.too_long} pairs with more than {longest} tokens left out (data.max_tokens)"]
    found = [*(notes if train.too_long else []), *notes_of(train, "source", source, corpus.recipe)]
    return list(dict.fromkeys([*found, *notes_of(train, "target", target, corpus.recipe)]))


class PairMaterial(TokenMaterial):
    """Pairs as ids, and the validation pairs as text too."""

    def __init__(self, recipe: Recipe, folder: Path, source: Tokenizer, target: Tokenizer) -> None:
        super().__init__(recipe, folder, source, target)
        self.templates = Template.of(source.wrap), Template.of(target.wrap)
        most, longest = recipe.model.most_tokens, recipe.data.max_tokens
        if most is not None and longest + self._extra > most:
            got, action = f"{longest} with positions for {most}", f"use {most - self._extra}, or raise model.longest"
            raise SettingError.because("data.max_tokens", got, f"room for {self._extra} special tokens too", action)
        texts = json.loads((folder / DATA / "valid.json").read_text(encoding="utf-8"))
        self.texts: list[Pair] = [(first, second) for first, second in texts]

    def task(self) -> Translation:
        """Cross entropy of the target given the source."""
        return Translation(self.smoothing)

    def feed(self) -> Feed:
        """Pairs of like length together."""
        tokens, seed = self.settings.batch_tokens, self.settings.seed
        return Feed(
            epoch=lambda epoch: plan_batches(self.train.lengths, tokens, seed, epoch, self._extra),
            collate=lambda rows: self._collate(self.train, rows),
        )

    def validation(self) -> Iterator[Batch]:
        """All validation pairs, the shortest first."""
        longest = int(self.valid.lengths.max(initial=0)) + self._extra
        plan = plan_sequential(self.valid.lengths, max(self.settings.batch_tokens, longest), self._extra)
        return batches_of(plan, lambda rows: self._collate(self.valid, rows))

    @property
    def _extra(self) -> int:
        return max(template.specials(1) for template in self.templates)

    def _collate(self, store: Store, rows: np.ndarray) -> Batch:
        longest = self.recipe.data.max_tokens + self._extra
        sides = []
        for name, template, pad in zip(("source", "target"), self.templates, self.pads(), strict=True):
            ids, _ = wrapped(store, [name], rows, template, pad, longest)
            sides.append((ids, int((ids != pad).sum())))
        (source, source_tokens), (target, target_tokens) = sides
        return Batch(source, target, source_tokens, target_tokens)

    def measured(self, module: Any) -> dict[str, float]:
        """BLEU of greedy translations of the first validation pairs, as long as the recipe lets them be."""
        texts = self.texts[: self.recipe.data.bleu_sentences]
        if not texts:
            return {}
        longest = self.recipe.decode.max_extra
        threads = self.settings.threads or torch.get_num_threads()
        settings = replace(GREEDY, max_extra=longest, threads=threads, workers=threads)
        found = self._translator(module).translate([source for source, _ in texts], settings)
        return {"valid_bleu": corpus_bleu([one.text for one in found], [target for _, target in texts])}

    def share_of_scores(self) -> float:
        """All pairs are translated; but a trained model stops where a fresh one goes on to the limit."""
        return len(self.texts) / max(1, self.recipe.data.bleu_sentences)

    def results(self, module: Any, progress: Progress | None = None) -> Results:
        """BLEU, chrF and TER on all validation pairs."""
        sources, references = [source for source, _ in self.texts], [target for _, target in self.texts]
        found = [one.text for one in self._translator(module).translate(sources, self.recipe.decode, progress)]
        return Results(score(found, references), COLUMNS, list(zip(sources, references, found, strict=True)))

    def _translator(self, module: Any) -> Translator:
        return Translator(module, self.source, self.target)

    def described(self) -> dict[str, Any]:
        """Sizes and file names."""
        return {
            "source_file": self.recipe.data.source,
            "target_file": self.recipe.data.target,
            "training_pairs": len(self.train),
            "training_tokens": self.train.tokens["target"],
            "validation_pairs": len(self.valid),
        }

    def figures(self, module: Any) -> dict[str, Figure]:
        """How long the sentences are, and which words of the first validation pair came from which."""
        measured = self.train.lengths
        found = {"lengths": lengths(measured[:, 0], measured[:, 1])}
        if self.texts:
            opened = self._opened(module)
            read, written, _ = read_and_written(opened, *self.texts[0])
            look = attended(opened, read, written)
            if aligns_words(look):
                found["alignment"] = translation_map(look, "Words of the first validation pair")
        return found

    def _opened(self, module: Any) -> Model:
        name, fit = self.recipe.family, Fit((), ())
        texts = self.source, self.target
        return Model(Path(name), name, self.recipe.model, module, LANGUAGE, texts, self.recipe.decode, fit)
