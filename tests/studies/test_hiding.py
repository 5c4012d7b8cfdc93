"""Words that may not look at words: by hand, and against a model whose weights there are zero."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from regard.data.builtin.sample import Pair, Puzzle, splits, twins
from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
from regard.families import transformer
from regard.layers.multihead import MultiHeadAttention
from regard.models.vocabulary import own_vocabulary
from regard.studies.pronouns.answers import Asked, says_right
from regard.studies.pronouns.hiding import ALL, hidden_pairs, hidden_places, hiding, places_of

WIDE = Pair(
    "The dog did not cross the street because it was too wide.",
    "Der Hund überquerte die Straße nicht, weil sie zu breit war.",
    Puzzle("place", "sie", right="street", wrong="dog"),
)
TIRED = Pair(
    "The dog did not cross the street because it was too tired.",
    "Der Hund überquerte die Straße nicht, weil er zu müde war.",
    Puzzle("animal", "er", right="dog", wrong="street"),
)


@pytest.fixture(scope="module")
def asked() -> Asked:
    def tokenizer(*texts: str) -> Tokenizer:
        return train_tokenizer(list(texts) * 3, TokenizerSettings("word"))

    source, target = tokenizer(WIDE.english, TIRED.english), tokenizer(WIDE.german, TIRED.german)
    torch.manual_seed(1)
    model = transformer.build(transformer.TOY, own_vocabulary(source.size, target.size, shared=False))
    return Asked(model, source, target)


def test_the_words_of_a_puzzle_are_where_they_stand_in_the_sentence(asked: Asked):
    """The dog did not cross the street because it was too wide . – by hand, from 0."""
    found = places_of(WIDE, asked.source)
    assert found["it"] == [8]
    assert found["adjective"] == [11]
    assert found["nouns"] == [1, 6]
    assert found["others"] == [0, 2, 3, 4, 5, 7, 9, 10, 12]


def test_exactly_the_named_pairs_are_hidden_and_of_other_words_as_many():
    places = [{"it": [3], "adjective": [5], "nouns": [0, 2], "others": [1, 4, 6]}] * 2
    generator = np.random.default_rng(1)
    found = hidden_pairs(places, ("it", "adjective"), "nouns", 8, generator)
    assert found.shape == (2, 1, 8, 8)
    assert found[0, 0].nonzero().tolist() == [[3, 0], [3, 2], [5, 0], [5, 2]]
    control = hidden_pairs(places, ("it", "adjective"), "others", 8, generator)[:, 0]
    assert control.sum((1, 2)).tolist() == [4, 4]
    assert set(control.nonzero()[:, 1].tolist()) == {3, 5}
    assert set(control.nonzero()[:, 2].tolist()) <= {1, 4, 6}


def test_what_is_hidden_has_no_weight_and_the_rest_is_as_if_it_were_masked():
    torch.manual_seed(1)
    layer = MultiHeadAttention(8, 2, 4, 4).double()
    x = torch.randn(3, 6, 8, dtype=torch.float64)
    hidden = torch.rand(3, 1, 6, 6) < 0.4
    expected = layer(x, layer.remember(x), ~hidden)
    recorded = []
    layer.recorder = recorded.append
    with hiding([layer], hidden):
        found = layer(x, layer.remember(x))
    layer.recorder = None
    assert bool((recorded[0][hidden.expand(3, 2, 6, 6)] == 0).all())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    plain = layer(x, layer.remember(x))
    torch.testing.assert_close(plain, layer(x, layer.remember(x), torch.ones(1, 1, 6, 6, dtype=torch.bool)))
    assert not torch.allclose(plain, found)


def test_hiding_nothing_changes_nothing_and_the_pronoun_is_looked_for_after_weil(asked: Asked, monkeypatch):
    nothing = says_right(asked, [WIDE, TIRED], lambda width: torch.zeros(2, 1, width, width, dtype=torch.bool))
    assert nothing.tolist() == says_right(asked, [WIDE, TIRED]).tolist()
    vocabulary = asked.target.size
    she = asked.target.encode(WIDE.german)[8]  # Der Hund überquerte die Straße nicht , weil sie
    assert asked.target.pieces_of([she])[0].strip("▁") == "sie"

    def always_she(states: torch.Tensor) -> torch.Tensor:
        assert states.shape[:2] == (2, 1)
        return torch.nn.functional.one_hot(torch.full(states.shape[:2], she), vocabulary).float()

    monkeypatch.setattr(asked.model, "logits", always_she)
    assert says_right(asked, [WIDE, TIRED]).tolist() == [True, False]


def test_the_answer_is_that_of_the_place_before_the_pronoun(asked: Asked):
    """Slow twin: one sentence at a time, and the decoder fed no further than "weil"."""
    model = asked.model.eval()
    for pair, answer in zip((WIDE, TIRED), says_right(asked, [WIDE, TIRED]), strict=True):
        source = torch.tensor([[*asked.source.encode(pair.english), model.eos]])
        ids = asked.target.encode(pair.german)
        fed = torch.tensor([[model.start, *ids[:8]]])
        likeliest = int(model.logits(model(source, fed))[0, -1].argmax())
        assert bool(answer) is (likeliest == ids[8])


def test_twins_differ_in_what_it_is_alone():
    animal, place = twins(splits()["test"])
    assert animal.puzzle is not None
    assert place.puzzle is not None
    assert (animal.puzzle.antecedent, place.puzzle.antecedent) == ("animal", "place")
    assert (animal.puzzle.right, animal.puzzle.wrong) == (place.puzzle.wrong, place.puzzle.right)
    assert twins([WIDE, TIRED]) == (TIRED, WIDE)


def test_where_nothing_may_look_at_the_adjective_the_two_twins_are_the_same_to_the_model(asked: Asked, monkeypatch):
    """They differ in the adjective alone: hidden from the decoder and from the encoder's other words, it is gone."""
    places = [places_of(one, asked.source) for one in (TIRED, WIDE)]
    seen: list[torch.Tensor] = []
    logits = asked.model.logits

    def keep(states: torch.Tensor) -> torch.Tensor:
        seen.append(states)
        return logits(states)

    monkeypatch.setattr(asked.model, "logits", keep)
    generator = np.random.default_rng(1)

    def hidden(width: int) -> torch.Tensor:
        return hidden_pairs(places, (ALL,), "adjective", width, generator)

    def unseen(width: int) -> torch.Tensor:
        return hidden_places(places, "adjective", width)

    for encoder, decoder in ((hidden, unseen), (None, unseen), (hidden, None), (None, None)):
        says_right(asked, [TIRED, WIDE], encoder, decoder)
    assert torch.allclose(seen[0][0], seen[0][1], rtol=0, atol=1e-5)
    for states in seen[1:]:
        assert not torch.allclose(states[0], states[1], rtol=0, atol=1e-5)
