from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from regard.decoding.greedy import greedy_search
from regard.decoding.sample import draw, narrow, sample, uniform_noise
from regard.decoding.settings import DecodingSettings


def drawn(model, source, limits, numbers=None, **rules):
    numbers = torch.arange(len(source)) if numbers is None else numbers
    return sample(model, source, limits, DecodingSettings(sample=True, **rules), numbers)


def slow_support(logits, top_k, top_p):
    """The tokens that may be drawn, by the definition."""
    order = sorted(range(len(logits)), key=lambda i: (-logits[i], i))
    order = order[:top_k] if top_k else order
    weights = [math.exp(logits[i]) for i in order]
    kept, reached = [], 0.0
    for token, weight in zip(order, weights, strict=True):
        if kept and reached >= top_p:
            break
        kept.append(token)
        reached += weight / sum(weights)
    return set(kept)


@pytest.mark.parametrize("top_k", [0, 1, 3, 11, 50])
@pytest.mark.parametrize("top_p", [1e-9, 0.3, 0.9, 1.0])
def test_top_k_and_top_p_leave_the_right_tokens_with_the_right_weights(top_k, top_p):
    logits = torch.randn(60, 12, dtype=torch.float64) * 2
    logits[:30] = logits[:30].round()  # many ties
    logits[:, 4] = -torch.inf
    for row, log in zip(logits.tolist(), narrow(logits, top_k, top_p).tolist(), strict=True):
        support = slow_support(row, top_k, top_p) - {4}
        assert {i for i, x in enumerate(log) if x > -math.inf} == support
        total = sum(math.exp(row[i]) for i in support)
        assert [math.exp(log[i]) for i in support] == pytest.approx([math.exp(row[i]) / total for i in support])


def test_of_many_equal_tokens_the_lower_ids_may_be_drawn():
    logits = torch.randint(0, 3, (20, 700)).double()
    for row, log in zip(logits.tolist(), narrow(logits, 300, 1.0).tolist(), strict=True):
        assert {i for i, x in enumerate(log) if x > -math.inf} == slow_support(row, 300, 1.0)


def test_only_tokens_of_the_support_are_drawn(table_model, sources):
    model = table_model(vocabulary=12, ends=-1.0)
    source, limits = sources(model, 40, limit=9)
    rules = {"temperature": 0.7, "top_k": 5, "top_p": 0.8}
    sizes = Counter()
    found = drawn(model, source, limits, n_best=5, **rules)
    for row, hypotheses in zip(source.tolist(), found, strict=True):
        for one in hypotheses:
            for i, token in enumerate(one.ids):
                log = model.log_probabilities(row, one.ids[:i])
                support = slow_support([x / 0.7 for x in log], 5, 0.8)
                assert token in support
                assert one.token_log_probabilities[i] == pytest.approx(log[token], abs=1e-12)
                sizes[len(support)] += 1
    assert len(sizes) > 2


def chi_square(counts, expected):
    return sum((counts[i] - expected[i]) ** 2 / expected[i] for i in expected)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_tokens_are_drawn_as_often_as_their_probability_says(table_model, sources, temperature):
    model = table_model(vocabulary=8, rows=1)  # one distribution, whatever came before
    source, limits = sources(model, 4000, limit=3)
    found = drawn(model, source, limits, temperature=temperature, seed=1)
    weights = [math.exp(x / temperature) for x in model.log_probabilities([], [])[:7]]
    p = [x / sum(weights) for x in weights]
    first = Counter((*one.ids, 0)[0] for (one,) in found)
    assert chi_square(first, {i: 4000 * p[i] for i in range(7)}) < 22.46  # 6 degrees of freedom, 1 in 1000
    pairs = Counter((*one.ids, 0)[:2] for (one,) in found if one.ids)
    going_on = 4000 - first[0]
    expected = {(i, j): going_on * p[i] / (1 - p[0]) * p[j] for i in range(1, 7) for j in range(7)}
    assert chi_square(pairs, expected) < 74.74  # 41 degrees of freedom: the second draw knows nothing of the first


def test_the_coldest_sampling_is_greedy_search(table_model, sources):
    model = table_model(vocabulary=20, spread=2.0)
    source, limits = sources(model, 30, limit=12)
    greedy = [one.ids for (one,) in greedy_search(model, source, limits, DecodingSettings())]
    assert [one.ids for (one,) in drawn(model, source, limits, temperature=0.0)] == greedy
    assert [one.ids for (one,) in drawn(model, source, limits, temperature=1e-4)] == greedy
    assert [one.ids for (one,) in drawn(model, source, limits, temperature=5.0, top_k=1)] == greedy
    assert [one.ids for (one,) in drawn(model, source, limits, temperature=1.0)] != greedy


def test_a_draw_depends_on_seed_and_sentence_and_not_on_its_companions(table_model, sources):
    model = table_model(vocabulary=20)
    source, limits = sources(model, 30, limit=12)
    together = drawn(model, source, limits, n_best=3)
    order = torch.randperm(30)
    assert drawn(model, source[order], limits[order], order, n_best=3) == [together[i] for i in order.tolist()]
    alone = [drawn(model, source[i : i + 1], limits[i : i + 1], torch.tensor([i]), n_best=3)[0] for i in range(30)]
    assert alone == together
    assert drawn(model, source, limits, n_best=3, seed=1) != together
    fewer = drawn(model, source, limits, n_best=2)
    assert fewer == [hypotheses[:2] for hypotheses in together]


def test_every_sentence_and_sample_has_its_own_numbers():
    noise = uniform_noise(DecodingSettings(sample=True, n_best=3, seed=5), 7, torch.tensor([0, 1, 8]))
    assert noise.shape == (3, 3, 7)
    assert len(set(noise.flatten().tolist())) == 63
    assert bool(((noise >= 0) & (noise < 1)).all())


def test_a_draw_inverts_the_cumulative_distribution():
    log = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]], dtype=torch.float64).log().expand(5, 5)
    uniform = torch.tensor([0.0, 0.2499, 0.2501, 0.9, 1 - 2**-53], dtype=torch.float64)
    assert draw(log, uniform).tolist() == [1, 1, 3, 3, 3]
