from __future__ import annotations

import pytest
import torch

from regard.errors import DataError
from regard.evaluation.alignment import gold_links
from regard.looking.alignments import word_links
from regard.looking.attribution.heads import Aligned, best_head, confidence, mean_of_heads, surest_head
from regard.looking.look import Words

TEXT = Words(("▁a", "▁b", "</s>"), specials=(2,))
STRAIGHT = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]]
CROSSED = [[0.1, 0.6, 0.3], [0.6, 0.1, 0.3], [0.2, 0.2, 0.6]]
IDLE = [[0.05, 0.05, 0.9]] * 3
WEIGHTS = torch.tensor([[STRAIGHT, IDLE], [CROSSED, IDLE]])  # [2, 2, 3, 3]


def test_the_mean_is_over_layers_and_heads_or_over_those_of_one_layer():
    weights = torch.arange(8.0).view(2, 2, 1, 2)
    assert mean_of_heads(weights).tolist() == [[3.0, 4.0]]  # (0 + 2 + 4 + 6) / 4, and one more
    assert mean_of_heads(weights, layer=1).tolist() == [[5.0, 6.0]]


def test_without_layers_there_is_no_mean():
    with pytest.raises(DataError, match="attention: got no layers; expected one or more; choose a model with att"):
        mean_of_heads(torch.empty(0, 0, 0, 0))


def test_words_are_linked_by_the_sums_over_their_pieces_and_ends_never():
    source = Words(("▁a", "▁b", "b", "</s>"), specials=(3,))
    matrix = torch.tensor([[0.3, 0.25, 0.2, 0.25], [0.4, 0.0, 0.0, 0.6], [0.1, 0.0, 0.0, 0.9]])
    assert word_links(matrix, source, TEXT) == "0-1 1-0"
    assert word_links(matrix[:, :1], Words(("</s>",), specials=(0,)), TEXT) == ""


@pytest.mark.parametrize(("gold", "best"), [("0-0 1-1", (0, 0)), ("0-1 1-0", (1, 0))])
def test_the_best_head_finds_the_links_of_most_pairs(gold: str, best: tuple[int, int]):
    other = "0-1 1-0" if gold == "0-0 1-1" else "0-0 1-1"
    pairs = [Aligned(WEIGHTS, TEXT, TEXT, gold_links(line)) for line in (gold, gold, other)]
    assert best_head(pairs) == best


def test_the_best_head_needs_pairs():
    with pytest.raises(DataError, match="alignments: got 0 lines"):
        best_head([])


def test_confidence_is_the_mean_of_the_largest_weights_on_words():
    by_hand = [[(0.8 + 0.8 + 0.1) / 3, 0.05], [(0.6 + 0.6 + 0.2) / 3, 0.05]]
    torch.testing.assert_close(confidence(WEIGHTS, [0, 1]), torch.tensor(by_hand))


def test_a_head_that_rests_at_the_end_is_not_the_surest():
    assert surest_head([confidence(WEIGHTS, [0, 1])]) == (0, 0)
    assert surest_head([confidence(WEIGHTS, [0, 1, 2])]) == (0, 1)  # as it would be, were ends words
    assert surest_head([confidence(WEIGHTS, [0, 1]), confidence(WEIGHTS.flip(0), [0, 1]) * 3]) == (1, 0)
