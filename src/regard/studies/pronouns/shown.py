"""What a model knows of "it" as a sentence, tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regard.data.builtin.sample import Pair
from regard.evaluation.interval import Interval
from regard.looking.figures import pointing
from regard.looking.intervals import shares
from regard.looking.pointing import look_at_puzzles
from regard.studies.frame.study import Picture, Table
from regard.studies.pronouns.answers import LOOKING, NEITHER, NOBODY, NOTHING, Answers, Asked

CHANCE = 0.5  # share of the puzzles
TRANSLATED = "translation: right pronoun"
HEAD, ADJECTIVE = (f"head for {name}: right noun" for name in LOOKING.values())
Shares = Mapping[str, Interval]


def sentence(found: Shares, said: Shares, puzzles: int) -> str:
    """What the model does with the puzzles, and what it loses where words are hidden."""

    def than(one: Interval) -> str:
        sure = "surely above" if one.low > CHANCE else "surely below" if one.high < CHANCE else "not surely other than"
        return f"in {one.text()} %, {sure} chance"

    plain, neither, nobody = said[NOTHING], said[NEITHER], said[NOBODY]
    return (
        f"Of {puzzles} puzzles with nouns never seen together: the translation has the right pronoun "
        f"{than(found[TRANSLATED])} (50 %); the head for “it” looks more at the right noun than at the wrong one "
        f"{than(found[HEAD])}, and the head for the adjective {than(found[ADJECTIVE])}. "
        f"If neither “it” nor the adjective may look at the nouns, the right pronoun is the likeliest in "
        f"{neither.text()} % instead of {plain.text()} %; where nothing at all may look at the adjective, in "
        f"{nobody.text()} %."
    )


def tables(found: Shares, said: Shares) -> list[Table]:
    """The shares of both kinds."""
    note = "95 %: Wilson's interval over the puzzles; over several seeds a t interval."
    titled = {"What the model knows": found, "When words may not look at words": said}
    return [
        Table(title, ("", "% of the puzzles (95 %)"), [(name, one.text()) for name, one in rows.items()], note)
        for title, rows in titled.items()
    ]


def bars(found: Shares, said: Shares) -> list[Picture]:
    """The same as bars."""
    known, hidden = ({name: {"": one} for name, one in rows.items()} for rows in (found, said))
    title = "Does the model know what “it” is?"
    return [
        Picture("shares", shares(known, "of the test puzzles, %", title, CHANCE), _SHARES),
        Picture("hidden", shares(hidden, "puzzles with the right pronoun, %", _HIDDEN_TITLE, CHANCE), _HIDDEN),
    ]


def pointers(asked: Asked, answers: Answers, pairs: Sequence[Pair]) -> list[Picture]:
    """Where the chosen heads of one model look in sentences that differ in what "it" is."""
    return [_pointer(asked, answers, word, pairs) for word in LOOKING]


def _pointer(asked: Asked, answers: Answers, word: str, pairs: Sequence[Pair]) -> Picture:
    head = answers.heads[word]
    rows = [
        (one.pieces, one.looking, one.weights[head.layer, head.head].numpy())
        for one in look_at_puzzles(asked.model, asked.source, pairs, word)
    ]
    title = f"Where {LOOKING[word]} looks: layer {head.layer + 1}, head {head.head + 1}"
    caption = (
        f"Two test sentences that differ in what “it” is. The red word is {LOOKING[word]}; a bar is the share of its "
        "look in the encoder head that was chosen on the validation puzzles."
    )
    return Picture(word, pointing(rows, title, words=True), caption)


_SHARES = "Shares of the test puzzles; the heads were chosen on other puzzles. Lines: 95 %."
_HIDDEN_TITLE = "When some words may not look at others"
_HIDDEN = (
    "How often the right pronoun is the likeliest word after the reference up to “weil”, while in every layer of the "
    "encoder some words may not look at others. Last: the decoder may not look at the adjective, then nothing may, "
    "and only chance is left. Lines: 95 %."
)
