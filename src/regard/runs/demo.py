"""The whole story in a few minutes: from built-in data to a translator, its scores, and a look inside."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from regard.data.builtin import sample
from regard.data.builtin.sample import Pair, pronoun_accuracy, twins
from regard.evaluation.scores import Scores
from regard.layers.position import sinusoids
from regard.looking.figures import learning_curve, pointing, positional_encoding, save, translation_map
from regard.looking.look import ENCODER
from regard.looking.looks import look_at
from regard.looking.page.write import page
from regard.looking.pointing import Head, best_head, look_at_puzzles, share_right
from regard.runs.folder import METRICS, load
from regard.runs.journal import read_journal
from regard.runs.measure import measure
from regard.runs.model import Model
from regard.runs.train import train
from regard.runs.watcher import Watcher
from regard.storage import write_file

# Chosen on the validation pairs (LOG.md): whole words, so that pictures show words, and a small model. With one decoder
# layer, the encoder itself must find out what "it" is, and a head can be seen to do so.
RECIPE: Mapping[str, Any] = MappingProxyType(
    {
        "model": {"size": "tiny", "layers": 3, "decoder_layers": 1, "norm": "pre", "dropout": 0.1},
        "tokenizer": {"kind": "word"},
        "train": {
            "steps": 1200,
            "batch_tokens": 1024,
            "schedule": "cosine",
            "learning_rate": 2e-3,
            "warmup": 100,
            "seed": 4,  # one in three grows a head that knows what "it" is (LOG.md)
            "save_every": 200,
            "validate_every": 200,
            "threads": 1,  # on batches this small a second one gains little, and on a busy machine it loses much
        },
        "data": {"bleu_sentences": 100},
    }
)
CLASSIC = (
    "The dog did not cross the street because it was too tired.",
    "The dog did not cross the street because it was too wide.",
)
PAGE = "look.html"
LOOKING: Mapping[str, str] = MappingProxyType({"it": "“it”", "adjective": "the adjective"})


@dataclass(frozen=True)
class ChosenHead:
    """The encoder head that looks best from a word to the right noun: chosen on the validation puzzles."""

    head: Head
    share_on_test: float

    def to_dict(self) -> dict[str, Any]:
        """As scores.json has it; layers and heads count from 1."""
        return {
            "layer": self.head.layer + 1,
            "head": self.head.head + 1,
            "chosen_on": "the validation puzzles",
            "right_noun_preferred_when_chosen": self.head.share,
            "right_noun_preferred_on_test": self.share_on_test,
        }


@dataclass(frozen=True)
class Story:
    """What the demo found out."""

    folder: Path
    scores: Scores
    pronouns: float
    heads: Mapping[str, ChosenHead]
    examples: list[tuple[str, str]]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The contents of scores.json."""
        return {
            "bleu": self.scores.bleu.score,
            "pronoun_accuracy": 100.0 * self.pronouns,
            "seconds": round(self.seconds, 1),
            "heads": {word: chosen.to_dict() for word, chosen in self.heads.items()},
            "scores": self.scores.to_dict(),
            "examples": dict(self.examples),
        }


def demo(folder: Path, watcher: Watcher, overwrite: bool) -> Story:
    """Train, score, translate and draw, all into ``folder``. Raises RunError where it holds something already."""
    began = time.monotonic()
    pairs = sample.splits()
    outcome = _train(folder, watcher, overwrite)
    model = load(outcome)
    watcher.stage("translating the test pairs")
    test = pairs["test"]
    english = [*CLASSIC, *(one.english for one in twins(test))]
    found = measure(model, [one.english for one in test], [one.german for one in test], model.decoding)
    watcher.stage("looking inside")
    story = Story(
        folder,
        found.scores,
        pronoun_accuracy(test, found.translations),
        {word: _choose_head(model, pairs, word) for word in LOOKING},
        list(zip(english, model.translate(english), strict=True)),
        time.monotonic() - began,
    )
    _draw(folder, model, story, twins(test))
    write_file(folder / "scores.json", json.dumps(story.to_dict(), indent=2, ensure_ascii=False) + "\n")
    return story


def _train(folder: Path, watcher: Watcher, overwrite: bool) -> Path:
    run, data = folder / "run", folder / "data"
    files = {
        "source": data / "train.en",
        "target": data / "train.de",
        "valid_source": data / "valid.en",
        "valid_target": data / "valid.de",
    }
    sample.write(data)
    table = {**RECIPE, "data": {**RECIPE["data"], **{key: str(path) for key, path in files.items()}}}
    if train(table, run, watcher, resume=False, overwrite=overwrite).finished is None:
        raise KeyboardInterrupt  # stopped on request: without a whole model there is no story to tell
    return run


def _choose_head(model: Model, pairs: Mapping[str, Sequence[Pair]], word: str) -> ChosenHead:
    valid, test = (
        look_at_puzzles(model.module, model.source_tokenizer, pairs[name], word) for name in ("valid", "test")
    )
    head = best_head(valid)
    return ChosenHead(head, share_right(test, head.layer, head.head))


def _draw(folder: Path, model: Model, story: Story, puzzles: Sequence[Pair]) -> None:
    """The pictures, and the page: it begins with the head that knows what "it" is, in the first of ``examples``."""
    save(learning_curve(read_journal(folder / "run" / METRICS), "Learning to translate"), folder / "learning.png")
    table = sinusoids(64, model.config.d_model).numpy()
    save(positional_encoding(table, "Positional encoding (section 3.5)"), folder / "positions.png")
    english, _ = story.examples[0]
    look = look_at(model, english)
    save(translation_map(look, "Which English word each German word looked at"), folder / "alignment.png")
    best = story.heads["it"].head
    shown = replace(look, name="regard demo", head=(ENCODER, best.layer, best.head))
    write_file(folder / PAGE, page([shown], "single", english))
    for word, name in LOOKING.items():
        save(_pointing(model, story.heads[word], puzzles, word, name), folder / f"{word}.png")


def _pointing(model: Model, chosen: ChosenHead, puzzles: Sequence[Pair], word: str, name: str) -> Any:
    layer, head = chosen.head.layer, chosen.head.head
    title = f"Where {name} looks: layer {layer + 1}, head {head + 1}"
    shown = look_at_puzzles(model.module, model.source_tokenizer, puzzles, word)
    rows = [(one.pieces, one.looking, one.weights[layer, head].numpy()) for one in shown]
    return pointing(rows, title, words=True)
