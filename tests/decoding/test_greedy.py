from __future__ import annotations

import pytest
import torch

from regard.decoding.greedy import greedy_search
from regard.decoding.interface import Decodable, DecodingState
from regard.decoding.settings import DecodingSettings
from regard.families import transformer

GREEDY = DecodingSettings(beam=1, penalty="plain", length_penalty=0.0)


def test_the_encoder_decoder_fits_what_decoding_asks_of_a_model(lively):
    model = lively(transformer.TOY, 30)
    assert isinstance(model, Decodable)
    assert isinstance(model.start_decoding(torch.tensor([[3, 0]])), DecodingState)


def test_cached_steps_are_the_full_forward_pass(lively):
    model = lively(transformer.TOY, 30).double()
    source = torch.randint(2, 29, (12, 9))
    for row, length in enumerate(range(1, 13)):
        source[row, min(length, 8) :] = model.pad
        source[row, min(length, 8)] = model.eos
    found = greedy_search(model, source, torch.full((12,), 15), GREEDY)
    assert len({one.ids for (one,) in found}) > 4
    for row, (one,) in zip(source, found, strict=True):
        written, total = [model.start], 0.0
        while len(written) <= 15 and (len(written) == 1 or written[-1] != model.eos):
            hidden = model(row[None], torch.tensor([written]))
            log = model.logits(hidden)[0, -1].log_softmax(dim=0)
            written.append(int(log.argmax()) if len(written) < 15 else model.eos)
            total += log[written[-1]].item()
        assert list(one.ids) == written[1:-1]
        assert one.log_probability == pytest.approx(total, abs=1e-9)
        assert one.score == one.log_probability


def test_greedy_takes_the_likeliest_token_each_time(table_model, sources):
    model = table_model(vocabulary=30, spread=2.0)
    source, limits = sources(model, 25, limit=10)
    limits = limits + torch.arange(25) % 4
    for row, limit, (one,) in zip(
        source.tolist(), limits.tolist(), greedy_search(model, source, limits, GREEDY), strict=True
    ):
        for i, token in enumerate((*one.ids, model.eos)):
            log = model.log_probabilities(row, one.ids[:i])
            assert token == (log.index(max(log)) if i + 1 < limit else model.eos)
            assert one.token_log_probabilities[i] == pytest.approx(log[token], abs=1e-12)


def test_of_equal_tokens_the_lower_id_is_taken(table_model, sources):
    model = table_model(spread=0.0, ends=-1.0)
    source, limits = sources(model, 4, limit=3)
    assert [one.ids for (one,) in greedy_search(model, source, limits, GREEDY)] == [(1, 1)] * 4
