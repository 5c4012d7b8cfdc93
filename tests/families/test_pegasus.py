"""PEGASUS against transformers, and its published sizes."""

from __future__ import annotations

import pytest
import transformers
from tests.families.seq2seq import SHAPES, V, count, same_greedy_tokens, same_states_and_logits

from regard.errors import SettingError
from regard.families import pegasus
from regard.models.vocabulary import Vocabulary

IDS = {"pad": 0, "eos": 1}


def settings(shape, **changes):
    given = {"scale_embedding": True, "activation_function": "relu", **shape, **changes}
    return transformers.PegasusConfig(vocab_size=V, max_position_embeddings=16, **given)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", ["PegasusForConditionalGeneration", "PegasusModel"])
def test_transformers_computes_the_same(architecture, shape, tmp_path):
    same_states_and_logits("pegasus", architecture, settings(shape), tmp_path, **IDS)


def test_greedy_tokens_are_the_same(tmp_path):
    model = transformers.PegasusForConditionalGeneration(settings(SHAPES[0]))
    same_greedy_tokens("pegasus", model, tmp_path)


def counted(V: int, N: int, d: int, d_ff: int) -> int:
    """By hand: 3 attentions and 2 networks in a pair of layers, 5 norms in it and 2 at the ends, one matrix."""
    attention, network, norm = 4 * (d * d + d), d * d_ff + d_ff + d_ff * d + d, 2 * d
    return V * d + N * (3 * attention + 2 * network + 5 * norm) + 2 * norm


@pytest.mark.parametrize(
    ("size", "pieces", "numbers", "millions"),
    [
        ("base", 32_000, (12, 768, 3072), 223),  # the paper's count fits a vocabulary of 32 000
        ("large", 96_000, (16, 1024, 4096), 568),  # and this one that of 96 000, and three special tokens more
    ],
)
def test_the_published_sizes_have_their_parameters(size, pieces, numbers, millions):
    found = count("pegasus", size, Vocabulary.of_texts(pieces, IDS, start=0))
    assert found == counted(pieces, *numbers)
    assert int(found / 1e6) == millions


def test_two_vocabularies_are_refused():
    message = r"tokenizer\.joint: got false; expected one vocabulary for both sides with pegasus"
    with pytest.raises(SettingError, match=message):
        pegasus.vocabulary(9, 8, shared=False, roles=IDS)


def test_the_decoder_starts_from_padding():
    ids = pegasus.vocabulary(9, 9, shared=True, roles={"pad": 0, "eos": 1, "mask": 2})
    assert (ids.start, ids.eos, ids.pad, ids.never) == (0, 1, 0, None)
