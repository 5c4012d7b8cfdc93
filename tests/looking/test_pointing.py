"""From "it" to a noun: the spans by hand, and the choice of a head."""

from __future__ import annotations

import pytest
import torch

from regard.data.builtin.sample import Pair, Puzzle
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.errors import DataError
from regard.families import transformer
from regard.looking.pointing import Head, Puzzled, best_head, look_at_puzzles, share_right
from regard.looking.replay import attention_of
from regard.models.vocabulary import joint_vocabulary

ENGLISH = "The dog did not cross the street because it was too wide."
GERMAN = "Der Hund überquerte die Straße nicht, weil sie zu breit war."
PUZZLE = Pair(ENGLISH, GERMAN, Puzzle("place", "sie", right="street", wrong="dog"))


def puzzled(right: list[list[float]], wrong: list[list[float]]) -> Puzzled:
    """[layers, heads] each."""
    return Puzzled([], 0, torch.zeros(1), torch.tensor(right), torch.tensor(wrong))


@pytest.mark.parametrize("kind", ["word", "character"])
def test_the_weights_are_those_between_the_words(kind):
    """By hand: of "The dog did …", word 0 is "The", 1 "dog", 6 "street", 8 "it", 11 "wide"; a character is a position
    in the text. The weight on a noun is the sum over its pieces, and "it" looks from its last piece."""
    tokenizer = train_tokenizer([ENGLISH, GERMAN] * 3, TokenizerSettings(kind=kind))
    torch.manual_seed(1)
    model = transformer.build(transformer.TOY, joint_vocabulary(tokenizer.size)).eval()
    where = {
        "word": {"it": 8, "wide": 11, "dog": [1], "street": [6]},
        "character": {"it": 42, "wide": 55, "dog": [4, 5, 6], "street": [26, 27, 28, 29, 30, 31]},
    }[kind]
    weights = attention_of(model, [*tokenizer.encode(ENGLISH), 0], [*tokenizer.encode(GERMAN), 0]).encoder
    plain = Pair("A cat sleeps.", "Eine Katze schläft.")
    for word, looking in (("it", where["it"]), ("adjective", where["wide"])):
        (found,) = look_at_puzzles(model, tokenizer, [plain, PUZZLE, plain], word)
        assert found.looking == looking
        assert len(found.pieces) == found.weights.shape[-1] == len(tokenizer.encode(ENGLISH))
        assert (
            found.pieces[looking].strip("▁")
            == {"word": {"it": "it", "adjective": "wide"}}.get(kind, {"it": "t", "adjective": "e"})[word]
        )
        row = weights[:, :, looking, :]
        torch.testing.assert_close(found.weights, row[:, :, :-1])
        torch.testing.assert_close(found.right, sum(row[:, :, n] for n in where["street"]))
        torch.testing.assert_close(found.wrong, sum(row[:, :, n] for n in where["dog"]))


def test_a_tokenizer_that_covers_nothing_is_reported(monkeypatch):
    tokenizer = train_tokenizer([ENGLISH] * 3, TokenizerSettings(kind="word"))
    model = transformer.build(transformer.TOY, joint_vocabulary(tokenizer.size)).eval()
    monkeypatch.setattr(type(tokenizer), "spans", lambda self, text: [(0, 3)])
    with pytest.raises(DataError, match=r"tokenizer: got no piece at \(41, 43\); expected pieces that cover the text"):
        look_at_puzzles(model, tokenizer, [PUZZLE])


def test_the_share_counts_the_puzzles_with_more_weight_on_the_right_noun():
    puzzles = [
        puzzled([[0.5, 0.1]], [[0.2, 0.4]]),
        puzzled([[0.5, 0.3]], [[0.2, 0.3]]),  # equal is not preferred
        puzzled([[0.1, 0.9]], [[0.2, 0.3]]),
        puzzled([[0.3, 0.2]], [[0.2, 0.1]]),
    ]
    assert share_right(puzzles, 0, 0) == 0.75
    assert share_right(puzzles, 0, 1) == 0.5
    assert best_head(puzzles) == Head(0, 0, 0.75)


def test_of_equal_heads_the_one_with_more_weight_on_the_right_noun_is_chosen():
    puzzles = [puzzled([[0.2, 0.2, 0.0], [0.6, 0.4, 0.9]], [[0.1, 0.1, 0.1], [0.1, 0.1, 0.95]])] * 3
    assert best_head(puzzles) == Head(1, 0, 1.0)


def test_a_larger_share_wins_over_any_weight():
    """One puzzle in ten thousand more weighs more than weight ever can."""
    certain = puzzled([[1.0, 0.002]], [[0.0, 0.001]])
    wrong = puzzled([[0.0, 0.002]], [[1.0, 0.001]])
    assert best_head([certain] * 999 + [wrong]) == Head(0, 1, 1.0)
