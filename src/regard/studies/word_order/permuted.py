"""What becomes of a random model's output when the words of its source are permuted, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from regard.families import transformer
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import own_vocabulary

WORDS, LENGTH, SENTENCES = 50, 12, 8


@dataclass(frozen=True)
class Moved:
    """The largest differences: of the encoder's output from its permuted self, and of the decoder's predictions."""

    encoder: float
    prediction: float


@torch.no_grad()
def moved(positions: str, seed: int) -> Moved:
    """|encoder(source π) − encoder(source) π| and |log P(target | source π) − log P(target | source)|, at most.

    Of a model with random weights from N(0, 0.2²), and random permutations π of random sources.
    """
    torch.manual_seed(seed)
    config = transformer.Config(layers=2, d_model=32, d_ff=64, heads=4, dropout=0.0, positions=positions, longest=64)
    model = transformer.build(config, own_vocabulary(WORDS, WORDS, shared=False)).double().eval()
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.2)
    source = torch.randint(1, WORDS - 1, (SENTENCES, LENGTH))
    order = torch.rand(SENTENCES, LENGTH).argsort(1)
    return differences(model, source, source.gather(1, order), order, torch.randint(1, WORDS - 1, (SENTENCES, LENGTH)))


def differences(
    model: EncoderDecoder, source: torch.Tensor, permuted: torch.Tensor, order: torch.Tensor, target: torch.Tensor
) -> Moved:
    """``permuted`` has at place i what ``source`` has at place ``order[i]``."""
    plain, after = model.encode(source), model.encode(permuted)
    expected = plain.gather(1, order[:, :, None].expand_as(plain))
    logs, permuted_logs = (model.logits(model(ids, target))[..., :-1].log_softmax(-1) for ids in (source, permuted))
    return Moved(float((after - expected).abs().max()), float((permuted_logs - logs).abs().max()))
