"""A model before the puzzles: the pronouns it writes, where its heads look, what it says when they may not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.data.batching import filled
from regard.data.builtin.sample import Pair, pronoun_accuracy
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.decoding.translator import Translator
from regard.looking.pointing import Head, best_head, look_at_puzzles
from regard.studies.frame.arms import GREEDY
from regard.studies.pronouns.hiding import ALL, hidden_pairs, hidden_places, hiding, places_of
from regard.tasks.text_to_text import shift_right

LOOKING = {"it": "“it”", "adjective": "the adjective"}
NOTHING, NEITHER, DECODER, NOBODY = (
    "nothing is hidden",
    "neither of them may",
    "the decoder may not see the adjective",
    "nor may the encoder's other words",
)


@dataclass(frozen=True)
class Intervention:
    """In every layer of the encoder the words ``looking`` may not look ``at`` others; ``decoder``: nor may that."""

    looking: tuple[str, ...]
    at: str
    decoder: bool = False


INTERVENTIONS: Mapping[str, Intervention] = {
    NOTHING: Intervention((), "nouns"),
    "both may not look at two other words": Intervention(("it", "adjective"), "others"),
    "“it” may not look at the nouns": Intervention(("it",), "nouns"),
    "the adjective may not": Intervention(("adjective",), "nouns"),
    NEITHER: Intervention(("it", "adjective"), "nouns"),
    DECODER: Intervention((), "adjective", decoder=True),
    NOBODY: Intervention((ALL,), "adjective", decoder=True),
}
Hits = NDArray[np.bool_]  # one a puzzle
Hidden = Callable[[int], Tensor]


@dataclass(frozen=True)
class Asked:
    """A model and its tokenizers, as it was asked."""

    model: Any
    source: Tokenizer
    target: Tokenizer


@dataclass(frozen=True)
class Answers:
    """What one model did with each test puzzle; ``heads`` were chosen on the validation puzzles."""

    translated: Hits
    heads: Mapping[str, Head]
    looked: Mapping[str, Hits]
    said: Mapping[str, Hits]


def answer(asked: Asked, valid: Sequence[Pair], test: Sequence[Pair], seed: int) -> Answers:
    """Choose a head for each word on the validation puzzles; put every question to the test puzzles."""
    texts = Translator(asked.model, asked.source, asked.target).translate([one.english for one in test], GREEDY)
    right = [pronoun_accuracy([one], [found.text]) == 1.0 for one, found in zip(test, texts, strict=True)]
    heads: dict[str, Head] = {}
    looked: dict[str, Hits] = {}
    for word in LOOKING:
        heads[word] = head = best_head(look_at_puzzles(asked.model, asked.source, valid, word))
        seen = look_at_puzzles(asked.model, asked.source, test, word)
        looked[word] = np.array(
            [bool(one.right[head.layer, head.head] > one.wrong[head.layer, head.head]) for one in seen]
        )
    places = [places_of(one, asked.source) for one in test]
    said = {}
    for name, one in INTERVENTIONS.items():
        hidden = partial(hidden_pairs, places, one.looking, one.at, generator=np.random.default_rng(seed))
        unseen = partial(hidden_places, places, one.at) if one.decoder else None
        said[name] = says_right(asked, test, hidden if one.looking else None, unseen)
    return Answers(np.array(right), heads, looked, said)


@torch.inference_mode()
def says_right(asked: Asked, pairs: Sequence[Pair], hidden: Hidden | None = None, unseen: Hidden | None = None) -> Hits:
    """For each puzzle: is its pronoun the likeliest token after the reference up to "weil"?

    ``hidden`` and ``unseen`` are asked for [B, 1, S, S] and [B, 1, 1, S] with the width S of the batch; they hold in
    every layer of the encoder, and of the decoder's attention to it.
    Where a pronoun is several pieces, the first is judged.
    """
    model, source, target = asked.model.eval(), asked.source, asked.target
    sources = filled([source.encode(one.english) for one in pairs], model.ids.source_pad, model.ids.eos)
    places = torch.tensor([_place_of_pronoun(one, target) for one in pairs])
    answers = filled([target.encode(one.german) for one in pairs], model.ids.pad, model.ids.eos)
    fed = shift_right(answers, model.ids.start)
    with ExitStack() as stack:
        for given, layers in ((hidden, model.encoder.self_attentions()), (unseen, model.decoder.cross_attentions())):
            if given is not None:
                stack.enter_context(hiding(layers, given(sources.shape[1])))
        states = model(sources, fed)
    rows = torch.arange(len(pairs))
    likeliest = model.logits(states[rows, places][:, None])[:, 0].argmax(-1)
    return np.asarray((likeliest == answers[rows, places]).numpy())


def _place_of_pronoun(pair: Pair, tokenizer: Tokenizer) -> int:
    """The first piece of the word after "weil" in the German reference."""
    assert pair.puzzle is not None, "a puzzle"
    start = pair.german.index(f"weil {pair.puzzle.pronoun}") + len("weil ")
    return next(n for n, (_, stop) in enumerate(tokenizer.spans(pair.german)) if stop > start)
