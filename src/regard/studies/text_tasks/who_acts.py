"""Built-in sentences with a label that is true by construction: who notices whom, an animal or a person?

"The cat saw the woman." is of an animal, "When the boy is tired, the woman hears the cat." of a person. Both nouns
stand in every sentence, and each is as often the one as the other: no single word tells, only their order and the
knowledge which words are animals. The nouns of a test sentence were never seen together in training.
"""

from __future__ import annotations

from collections.abc import Sequence

from regard.data.builtin.constructions import Construction, Sentence, asked, conditional, reported, simple
from regard.data.builtin.draw import Draw
from regard.data.builtin.lexicon import ANIMALS, PERSONS
from regard.data.builtin.sample import split_of

Labelled = tuple[str, str]  # text, label
CONSTRUCTIONS: Sequence[Construction] = (simple, asked, conditional, reported)
ANIMAL, PERSON = "animal", "person"
_KINDS = {noun.english: ANIMAL for noun in ANIMALS} | {noun.english: PERSON for noun in PERSONS}


def who_acts(split: str, count: int, seed: int) -> list[Labelled]:
    """``count`` different sentences of a split, one label after the other in turn."""
    draw = Draw(seed)
    found: dict[str, str] = {}
    while len(found) < count:
        wanted = (ANIMAL, PERSON)[len(found) % 2]
        sentence = draw.pick(CONSTRUCTIONS)(draw)
        if split_of(sentence.nouns) == split and label_of(sentence) == wanted:
            found.setdefault(sentence.english, wanted)
    return list(found.items())


def label_of(sentence: Sentence) -> str | None:
    """What the one who notices is, where one of the two is an animal and one a person; None for all other sentences.

    The last two nouns of a sentence are its scene's: who, and whom (or a thing or a place).
    """
    kinds = [_KINDS.get(noun) for noun in sentence.nouns[-2:]]
    return kinds[0] if set(kinds) == {ANIMAL, PERSON} else None
