"""Distances between heads by hand, against SciPy and loops; and the model without a head against sums by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from regard.data.tokenizers.tokenizer import TokenizerSettings
from regard.families import transformer
from regard.layers.multihead import MultiHeadAttention
from regard.looking.replay import attention_of
from regard.models.vocabulary import own_vocabulary
from regard.studies.frame.arms import surprise
from regard.studies.frame.pairs import with_tokenizers
from regard.studies.frame.watch import SILENT
from regard.studies.head_maps.distance import KINDS, between_heads, distances, jensen_shannon, over_heads
from regard.studies.head_maps.pruning import attentions, prune_each, without


def maps(*shape: int) -> torch.Tensor:
    torch.manual_seed(1)
    return (3 * torch.randn(*shape, dtype=torch.float64)).softmax(-1)


def test_the_distance_is_nothing_between_equals_and_one_between_strangers():
    one, other = torch.tensor([[0.5, 0.5, 0.0, 0.0], [1.0, 0, 0, 0]]), torch.tensor([[0, 0, 0.3, 0.7], [1.0, 0, 0, 0]])
    assert jensen_shannon(one, other).tolist() == pytest.approx([1.0, 0.0])


def test_the_distance_is_scipy_s_in_bits():
    first, second = maps(2, 5, 7)
    expected = [jensenshannon(p, q, base=2) for p, q in zip(first.numpy(), second.numpy(), strict=True)]
    np.testing.assert_allclose(jensen_shannon(first, second).numpy(), expected, rtol=1e-9)


def test_the_distance_between_heads_is_the_mean_over_rows_and_nothing_to_oneself():
    weights = maps(2, 3, 4, 5)
    found = between_heads(weights).numpy()
    assert found.shape == (2, 3, 3)
    for layer in range(2):
        for i in range(3):
            for j in range(3):
                rows = [jensenshannon(weights[layer, i, t], weights[layer, j, t], base=2) for t in range(4)]
                assert found[layer, i, j] == pytest.approx(np.mean(rows), abs=1e-7)
    expected = np.mean([found[n, i, j] for n in range(2) for i, j in ((0, 1), (0, 2), (1, 2))])
    np.testing.assert_allclose(over_heads(np.array([found, 2 * found])), [expected, 2 * expected])


def test_the_distances_of_a_model_are_those_of_each_of_its_sentences():
    torch.manual_seed(1)
    model = transformer.build(transformer.TOY, own_vocabulary(9, 9, shared=False)).eval()
    sources, targets = [[1, 2, 3], [4, 5]], [[1, 2], [3, 4, 5, 6]]
    found = distances(model, sources, targets)
    each = [attention_of(model, [*read, 0], [*written, 0]) for read, written in zip(sources, targets, strict=True)]
    for kind in KINDS:
        expected = [between_heads(getattr(one, kind)).numpy() for one in each]
        np.testing.assert_allclose(found[kind], expected)


def test_without_a_head_the_others_are_what_is_left_and_afterwards_it_is_back():
    """The output of multi-head attention is b + Σ_i head_i W_i^O: one term less. Head i alone is a layer of its own."""
    torch.manual_seed(1)
    layer = MultiHeadAttention(12, 3, 4, 4).double()
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    before = layer.output.weight.clone()
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    whole = layer(x, layer.remember(x))
    for head in range(3):
        own = slice(4 * head, 4 * head + 4)
        query, key, value = (
            part(x)[:, :, own] for part in (layer.query, layer.key, layer.value)
        )  # section 3.2.2, one head by hand
        said = ((query @ key.transpose(1, 2)) / 2).softmax(-1) @ value @ before[:, own].T
        with without(layer, head):
            torch.testing.assert_close(layer(x, layer.remember(x)), whole - said, rtol=0, atol=1e-9)
        assert torch.equal(layer.output.weight, before)


def test_each_head_of_each_layer_is_taken_away_once_and_a_dumb_one_costs_nothing():
    sentences = [(f"a {n} b", f"c {n} d") for n in range(8)]
    pairs = with_tokenizers("made up", sentences, sentences, TokenizerSettings("word"))
    torch.manual_seed(1)
    config = transformer.Config(layers=2, decoder_layers=1, d_model=8, d_ff=8, heads=2)
    model = transformer.build(config, pairs.vocabulary)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.7)
    dumb = attentions(model)["encoder"][1]
    with torch.no_grad():
        dumb.output.weight[:, 4:] = 0.0
    nats, tokens = surprise(model, pairs, pairs.test)
    found = prune_each(model, pairs, SILENT, "")
    assert [(one.kind, one.layer, one.head) for one in found] == [
        *(("encoder", layer, head) for layer in (0, 1) for head in (0, 1)),
        *((kind, 0, head) for kind in ("decoder", "cross") for head in (0, 1)),
    ]
    assert (found[3].nats, found[3].bleu, found[3].sure_nats, found[3].sure_bleu) == (0.0, 0.0, False, False)
    with torch.no_grad():
        model.encoder.self_attentions()[0].output.weight[:, :4] = 0.0
    less, _ = surprise(model, pairs, pairs.test)
    assert found[0].nats == pytest.approx((less - nats).sum() / tokens.sum())
    assert found[0].nats != 0.0
