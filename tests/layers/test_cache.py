"""What a decoder layer keeps between steps: it grows, follows its hypotheses, and forgets finished sentences."""

from __future__ import annotations

import torch

from regard.layers.cache import LayerCache
from regard.layers.multihead import KeyValues


def numbered(*rows: float) -> KeyValues:
    """One position of one head for each row: the key holds the number, the value ten times it."""
    key = torch.tensor(rows)[:, None, None, None]
    return KeyValues(key, 10 * key)


def rows_of(kept: KeyValues) -> list[list[float]]:
    assert torch.equal(kept.value, 10 * kept.key)
    return kept.key.flatten(1).tolist()


def test_a_new_position_is_appended_to_those_before():
    cache = LayerCache(numbered(0.0))
    assert rows_of(cache.extend(numbered(1.0, 2.0))) == [[1], [2]]
    assert rows_of(cache.extend(numbered(3.0, 4.0))) == [[1, 3], [2, 4]]
    assert rows_of(cache.past) == [[1, 3], [2, 4]]


def test_a_hypothesis_goes_on_from_what_another_was():
    cache = LayerCache(numbered(0.0))
    cache.extend(numbered(1.0, 2.0, 3.0))
    cache.reorder(torch.tensor([2, 2, 0]))
    assert rows_of(cache.extend(numbered(7.0, 8.0, 9.0))) == [[3, 7], [3, 8], [1, 9]]


def test_the_memory_of_a_sentence_serves_whatever_its_hypotheses_become():
    cache = LayerCache(numbered(5.0, 6.0))
    cache.extend(numbered(1.0, 2.0, 3.0, 4.0))
    cache.reorder(torch.tensor([1, 0, 3, 2]))
    assert rows_of(cache.memory) == [[5], [6]]


def test_only_the_sentences_that_are_kept_go_on():
    cache = LayerCache(numbered(5.0, 6.0, 7.0))
    cache.extend(numbered(1.0, 2.0, 3.0, 4.0, 8.0, 9.0))  # two beams each
    cache.keep(torch.tensor([2, 0]), torch.tensor([4, 5, 0, 1]))
    assert rows_of(cache.memory) == [[7], [5]]
    assert rows_of(cache.past) == [[8], [9], [1], [2]]


def test_before_the_first_step_there_is_no_past_to_follow():
    cache = LayerCache(numbered(5.0, 6.0))
    cache.reorder(torch.tensor([1, 0]))
    cache.keep(torch.tensor([1]), torch.tensor([1]))
    assert cache.past is None
    assert rows_of(cache.memory) == [[6]]


def test_several_positions_may_come_at_once_and_without_a_memory():
    """As when a prompt is read: a decoder by itself has no memory."""
    cache = LayerCache()
    prompt = KeyValues(torch.tensor([[[[1.0], [2.0]]]]), torch.tensor([[[[10.0], [20.0]]]]))
    assert rows_of(cache.extend(prompt)) == [[1, 2]]
    assert rows_of(cache.extend(numbered(3.0))) == [[1, 2, 3]]
    cache.keep(torch.tensor([0]), torch.tensor([0, 0]))
    assert cache.memory is None
    assert rows_of(cache.past) == [[1, 2, 3], [1, 2, 3]]
