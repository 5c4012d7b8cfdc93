"""Small models with every part in some choice, and with weights that make every part matter."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from regard.families import transformer
from regard.families.transformer import Config
from regard.layers import attention
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import Vocabulary, joint_vocabulary

V = 13
SMALL = {"layers": 2, "d_model": 12, "d_ff": 20, "heads": 3}
CONFIGS = {
    "post": Config(**SMALL),
    "pre": Config(**SMALL, norm="pre"),
    "learned, d_k ≠ d_v, unequal depths": Config(
        **SMALL, positions="learned", longest=40, d_k=5, d_v=2, decoder_layers=1, activation="silu"
    ),
    "no positions, pre, one head": Config(**SMALL | {"heads": 1}, positions="none", norm="pre", activation="gelu"),
    "relative, window": Config(**SMALL, positions="relative", window=2),
    "alibi, RMS norm, no scale": Config(**SMALL, positions="alibi", norm="pre", norm_kind="rms", scale=False),
    "alibi, window, batch norm, pre": Config(**SMALL, positions="alibi", window=2, norm="pre", norm_kind="batch"),
    "rotary, window, group norm": Config(**SMALL, positions="rotary", window=2, norm_kind="group", norm_groups=4),
}


def make(config: Config, vocabulary: Vocabulary | None = None, std: float = 0.2) -> EncoderDecoder:
    """A model in float64, whose weights, norms and biases are all random."""
    model = transformer.build(config, vocabulary or joint_vocabulary(V)).double().eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = std * torch.randn_like(weight)
            weight.copy_(1 + noise if "norm.weight" in name else noise)
        for name, statistic in model.named_buffers():
            if "running" in name:
                statistic.add_(torch.rand_like(statistic))
        model.encoder.embed.tokens.weight[model.source_pad].zero_()
        model.decoder.embed.tokens.weight[model.pad].zero_()
        model.output.bias.normal_(std=std)
    return model


@pytest.fixture(params=["plain", "fused"])
def path(request, monkeypatch) -> str:
    """Each of the two ways in which attention is computed, whatever would be faster."""
    monkeypatch.setattr(attention, "fused_is_faster", lambda query: request.param == "fused")
    return request.param


@pytest.fixture
def make_model() -> Callable[..., EncoderDecoder]:
    return make


@pytest.fixture(params=CONFIGS)
def model(request) -> EncoderDecoder:
    return make(CONFIGS[request.param])


@pytest.fixture
def sentences() -> Callable[..., Tensor]:
    """``rows`` random sentences of ``length`` tokens that end in </s>, without padding."""

    def drawn(rows: int, length: int) -> Tensor:
        ids = torch.randint(1, V - 1, (rows, length))
        ids[:, -1] = 0
        return ids

    return drawn
