"""Runs on disk against the ``transformers`` library, which opens them as Marian or Pegasus, in both directions."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from regard.decoding.beam import beam_search
from regard.decoding.greedy import greedy_search
from regard.decoding.settings import DecodingSettings
from regard.families import transformer
from regard.models.public import put_public_weights

transformers = pytest.importorskip("transformers")

LONGEST = 25


@pytest.fixture(scope="module")
def opened(written):
    """What the library makes of the folder, and what it says about it."""
    model, report = transformers.AutoModelForSeq2SeqLM.from_pretrained(
        written.folder, dtype=torch.float64, output_loading_info=True
    )
    return model.eval(), report


@pytest.fixture(scope="module")
def theirs(opened):
    return opened[0]


def test_the_library_finds_every_weight_and_no_other(opened):
    _, report = opened
    assert {name: found for name, found in report.items() if found} == {}


def test_the_library_knows_it_by_its_public_name(written, theirs):
    expected = {"post": "MarianMTModel", "pre": "PegasusForConditionalGeneration"}[written.config.norm]
    assert type(theirs).__name__ == expected


def test_the_logits_are_the_same(written, theirs, sources):
    ours = written.model
    source = sources(6)
    target = torch.randint(0, ours.pad, (6, 8))
    target[:, 0] = ours.start
    mask = (source != ours.pad).long()
    expected = theirs(input_ids=source, attention_mask=mask, decoder_input_ids=target).logits
    try:
        found = ours.double().logits(ours(source, target))
    finally:
        ours.float()
    torch.testing.assert_close(found[..., : ours.pad], expected[..., : ours.pad], rtol=0, atol=1e-9)
    assert found[..., : ours.pad].std() > 0.3
    assert (expected[..., ours.pad] < -1e8).all()


def generated(theirs, ours, source: Tensor, **rules) -> list[tuple[int, ...]]:
    """What the library writes with the folder's own ``generation_config.json``, up to </s>."""
    mask = (source != ours.pad).long()
    rows = theirs.generate(source, attention_mask=mask, max_length=LONGEST + 1, **rules).tolist()
    return [tuple(row[1 : row.index(ours.eos)]) for row in rows]


def ids_of(found) -> list[tuple[int, ...]]:
    return [hypotheses[0].ids for hypotheses in found]


def differ(outputs: list[tuple[int, ...]]) -> bool:
    """Whether the comparison is worth something."""
    return len(set(outputs)) > len(outputs) / 2


def test_greedy_tokens_are_the_same(written, theirs, sources):
    ours, source = written.model, sources(24)
    found = greedy_search(ours.double(), source, torch.full((24,), LONGEST), DecodingSettings(beam=1))
    ours.float()
    assert ids_of(found) == generated(theirs, ours, source, num_beams=1)
    assert differ(ids_of(found))
    assert min(map(len, ids_of(found))) < LONGEST - 1, "some end by themselves"


def test_beam_tokens_are_the_same(written, theirs, sources):
    ours, source = written.model, sources(24)
    settings = DecodingSettings(beam=3, length_penalty=1.0, penalty="plain", rules="transformers")
    found = beam_search(ours.double(), source, torch.full((24,), LONGEST), settings)
    ours.float()
    assert ids_of(found) == generated(theirs, ours, source)  # beams and penalty come from the folder
    assert differ(ids_of(found))


def test_the_tokenizer_that_the_library_opens_gives_the_same_ids(written):
    theirs = transformers.AutoTokenizer.from_pretrained(written.folder)
    for text in ["two dogs sleep .", "Hund </s> läuft", "", " im  Park "]:
        assert theirs(text, add_special_tokens=False)["input_ids"] == written.tokenizer.encode(text)
    assert (theirs.pad_token_id, theirs.eos_token_id) == (written.tokenizer.pad, written.tokenizer.eos)


def a_public_model(kind: str, **changes):
    """A tiny random model of theirs whose settings are among ours."""
    settings = {
        "vocab_size": 17,
        "d_model": 16,
        "encoder_layers": 2,
        "decoder_layers": 1,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 24,
        "decoder_ffn_dim": 24,
        "activation_function": "gelu",
        "scale_embedding": True,
        "max_position_embeddings": 32,
        "pad_token_id": 16,
        "eos_token_id": 0,
        "decoder_start_token_id": 16,
        "forced_eos_token_id": 0,
        "init_std": 0.2,
        **changes,
    }
    names = {"marian": "MarianMTModel", "pegasus": "PegasusForConditionalGeneration"}
    configs = {"marian": transformers.MarianConfig, "pegasus": transformers.PegasusConfig}
    model = getattr(transformers, names[kind])(configs[kind](**settings)).double().eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 1:
                weight.add_(0.2 * torch.randn_like(weight))
        model.final_logits_bias.normal_(std=0.2)
    return model


@pytest.mark.parametrize("kind", ["marian", "pegasus"])
def test_a_model_that_the_library_saved_is_read(kind, tmp_path):
    theirs = a_public_model(kind)
    theirs.save_pretrained(tmp_path)
    config, vocabulary, head = transformer.read_public_config(json.loads((tmp_path / "config.json").read_text()))
    ours = transformer.build(config, vocabulary).double().eval()
    put_public_weights(
        ours, transformer.public_form(config, vocabulary, head), load_file(tmp_path / "model.safetensors")
    )
    source, target = torch.randint(1, 16, (3, 7)), torch.randint(1, 16, (3, 5))
    source[0, 4:] = ours.pad
    expected = theirs(input_ids=source, attention_mask=(source != ours.pad).long(), decoder_input_ids=target).logits
    found = ours.logits(ours(source, target))
    torch.testing.assert_close(found[..., :-1], expected[..., :-1], rtol=0, atol=1e-9)
