"""Texts to be written on: each token is predicted once, in blocks of a stream or side by side."""

from __future__ import annotations

import pytest

from regard.data.batching import IGNORED

LINES = [f"some text of number {n}, which is short." for n in range(60)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_every_token_of_the_validation_is_predicted_once_in_order(material, written, family, packed):
    valid = written("v", *LINES[:7])
    task = {"block": 16, "packed": packed}
    found = material("next_token", {"text": written("t", *LINES), "valid_text": valid}, family=family, task=task)
    batches = list(found.validation())
    labels = [label for batch in batches for row in batch.labels.tolist() for label in row if label != IGNORED]
    wanted = [[*found.source.encode(line), found.source.eos] for line in LINES[:7]]
    if packed:  # the longest first
        assert sorted(labels) == sorted(token for text in wanted for token in text)
        assert all(batch.texts is not None for batch in batches)
    else:
        whole = [token for text in wanted for token in text][:-1]  # nothing follows the last text
        assert labels == whole
    assert sum(batch.target_tokens for batch in batches) == len(labels)
    assert max(batch.ids.shape[1] for batch in batches) <= 16


def test_an_epoch_is_another_order_of_the_same_blocks(material, written):
    found = material("next_token", {"text": written("t", *LINES)}, task={"block": 16}, train={"batch_tokens": 32})
    feed = found.feed()
    assert [rows.tolist() for rows in feed.epoch(0)] == [rows.tolist() for rows in feed.epoch(0)]
    assert [rows.tolist() for rows in feed.epoch(0)] != [rows.tolist() for rows in feed.epoch(1)]
    assert all(feed.collate(rows).ids.numel() <= 32 for rows in feed.epoch(0))
