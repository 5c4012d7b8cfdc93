"""A small run on disk, as other libraries find it, with weights that make every part matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from regard.data.tokenizers.tokenizer import Tokenizer, TokenizerSettings, train_tokenizer
from regard.decoding.settings import DecodingSettings
from regard.families import transformer
from regard.families.transformer import TOY, Config
from regard.models.heads import LANGUAGE
from regard.models.transformer import EncoderDecoder
from regard.models.vocabulary import joint_vocabulary
from regard.runs.folder import write_model, write_tokenizers
from regard.runs.recipe import Recipe

LINES = [
    "a dog runs in the park .",
    "ein Hund läuft im Park .",
    "two cats sleep on the mat .",
    "zwei Katzen schlafen .",
]
CONFIGS = {
    "marian": TOY,
    "marian, unequal depths, gelu": replace(TOY, layers=3, decoder_layers=1, activation="gelu"),
    "marian, silu": replace(TOY, activation="silu", heads=2),
    "pegasus": replace(TOY, norm="pre"),
    "pegasus, unequal depths, tanh-gelu": replace(TOY, norm="pre", layers=1, decoder_layers=3, activation="gelu_tanh"),
}


@dataclass(frozen=True)
class Written:
    """A run and what is in it; the tensors of ``model`` are what the folder holds."""

    folder: Path
    config: Config
    model: EncoderDecoder
    tokenizer: Tokenizer


def perturb(model: EncoderDecoder) -> None:
    """Draw everything anew, norms and biases too, so that outputs differ, do not repeat one token, and end at times."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = 0.2 * torch.randn_like(weight)
            weight.copy_(1 + noise if "norm.weight" in name else noise)
        embedding = model.encoder.embed.tokens.weight.normal_()
        embedding.div_(embedding.norm(dim=1, keepdim=True))[model.pad].zero_()
        last = model.decoder.final_norm or model.decoder.blocks[-1].around_feed_forward.norm
        last.weight.normal_(std=2.0)
        model.output.bias.normal_(std=0.2)
        model.output.bias[model.eos] = 2.0
        model.output.bias[model.pad] = 0.0


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return train_tokenizer(LINES, TokenizerSettings(kind="bpe", size=280))


@pytest.fixture(scope="module", params=CONFIGS)
def written(request, tokenizer, tmp_path_factory) -> Written:
    folder, config = tmp_path_factory.mktemp("run"), CONFIGS[request.param]
    torch.manual_seed(3)
    model = transformer.build(config, joint_vocabulary(tokenizer.size)).eval()
    perturb(model)
    recipe = Recipe(family="transformer", model=config, decode=DecodingSettings(beam=3, length_penalty=1.0))
    write_model(folder, recipe, model, LANGUAGE)
    write_tokenizers(folder, tokenizer, tokenizer)
    return Written(folder, config, model, tokenizer)


@pytest.fixture
def sources(written) -> Callable[[int], Tensor]:
    """``rows`` random sources of unlike lengths, </s> and padding included.

    With this seed no two candidates of a search come nearer to each other than float32 can tell apart.
    """

    def drawn(rows: int) -> Tensor:
        torch.manual_seed(1)
        ids = torch.randint(2, written.model.pad, (rows, 10))
        for row, length in enumerate(torch.randint(1, 10, (rows,)).tolist()):
            ids[row, length], ids[row, length + 1 :] = written.model.eos, written.model.pad
        return ids

    return drawn
