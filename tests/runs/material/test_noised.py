"""Texts with noise, as the models of three families read them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from regard.errors import SettingError
from regard.runs.material.noised import DenoisingMaterial, MaskedTokenMaterial, SpanCorruptionMaterial

LINES = [f"some text of number {n}, which is short. It ends here." for n in range(60)]


def test_masked_texts_stand_in_their_template(material, written):
    found = material("masked_token", {"text": written("t", *LINES)}, family="bert", task={"block": 24})
    ids = found.source
    for batch in found.validation():
        assert (batch.ids[:, 0] == ids.bos).all()
        assert ((batch.ids == ids.sep).sum(1) == 1).all()
        assert batch.target_tokens == int((batch.labels >= 0).sum()) > 0
        assert not ((batch.labels == ids.bos) | (batch.labels == ids.sep) | (batch.labels == ids.pad)).any()


def test_validation_noise_is_the_same_each_time_and_training_noise_is_not(material, written):
    found = material("masked_token", {"text": written("t", *LINES)}, family="bert")
    first, second = (torch.cat([batch.labels.flatten() for batch in found.validation()]) for _ in range(2))
    assert torch.equal(first, second)
    feed = found.feed()
    rows = feed.epoch(0)[0]
    assert not torch.equal(feed.collate(rows).labels, feed.collate(rows).labels)


def test_both_sides_of_infilled_texts_begin_and_end_as_the_family_wants(material, written):
    found = material("denoising", {"text": written("t", *LINES)}, family="bart", task={"block": 32})
    vocabulary = found.vocabulary()
    for batch in found.validation():
        for side, count in ((batch.source, batch.source_tokens), (batch.target, batch.target_tokens)):
            assert (side[:, 0] == vocabulary.bos).all()
            assert ((side == vocabulary.eos).sum(1) == 1).all()
            assert int((side != vocabulary.pad).sum()) == count
        assert (batch.source == found.source.mask).any()
    assert found.source.decode(batch.target[0].tolist()) in LINES


@pytest.mark.parametrize("share", [0.15, 0.5, 0.7])
@pytest.mark.parametrize("mean_length", [1.0, 3.0])
def test_batches_of_left_out_spans_stay_under_the_budget(material, written, share, mean_length):
    """A text grows by its sentinels and shrinks by its spans; the budget is of what is then read or written."""
    texts = [*LINES, *("a b", "a", " ".join(LINES))]
    task = {"block": 32, "spans": {"share": share, "mean_length": mean_length}}
    found = material("span_corruption", {"text": written("t", *texts)}, task=task, train={"batch_tokens": 128})
    feed = found.feed()
    for rows in feed.epoch(0):
        batch = feed.collate(rows)
        assert max(batch.source.numel(), batch.target.numel()) <= max(128, found.tokens)
        assert batch.source.shape[1] <= 32
        assert ((batch.target == found.source.sentinels[0]).sum(1) == 1).all()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            MaskedTokenMaterial,
            "tokenizer: got no mask to hide tokens; expected one; take the family bert, roberta or albert",
        ),
        (DenoisingMaterial, "tokenizer: got no mask to fill; expected one; take the family bart"),
        (SpanCorruptionMaterial, "got no <extra_id_0> and so on; expected sentinels; take the family t5"),
    ],
)
def test_a_tokenizer_without_what_the_noise_needs_is_refused_at_once(material, written, tmp_path, kind, message):
    """As that of a checkpoint may be."""
    found = material("next_token", {"text": written("t", *LINES)})
    with pytest.raises(SettingError, match=message):
        kind(found.recipe, tmp_path / "run0", found.source, found.target)


def test_a_tokenizer_without_end_or_padding_is_refused(material, written, monkeypatch):
    found = material("next_token", {"text": written("t", *LINES)})
    nothing = replace(found.vocabulary(), pad=None, source_pad=None)
    monkeypatch.setattr(found, "vocabulary", lambda: nothing)
    with pytest.raises(SettingError, match="tokenizer: got no token that fills up short texts; expected one; use a"):
        list(found.validation())
    monkeypatch.setattr(found.source, "eos", None)
    with pytest.raises(SettingError, match="tokenizer: got no token that ends a text; expected one; use a checkpoint"):
        list(found.validation())
