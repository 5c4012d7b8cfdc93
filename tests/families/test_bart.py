"""BART against transformers, head by head, and its published sizes."""

from __future__ import annotations

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests.families.parity import open_here, perturbed
from tests.families.seq2seq import SHAPES, V, count, same_greedy_tokens, same_states_and_logits, texts

from regard.errors import SettingError
from regard.families import bart
from regard.models.heads import Head
from regard.models.vocabulary import Vocabulary

IDS = {"pad": 1, "eos": 2}
ARCHITECTURES = ["BartForConditionalGeneration", "BartForSequenceClassification", "BartModel"]


def settings(shape, **changes):
    return transformers.BartConfig(vocab_size=V, max_position_embeddings=16, **shape, **changes)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_transformers_computes_the_same(architecture, shape, tmp_path):
    same_states_and_logits("bart", architecture, settings(shape, num_labels=3), tmp_path, **IDS)


def test_a_scale_and_another_activation_are_read_and_classes_keep_their_names(tmp_path):
    names = {0: "bad", 1: "good"}
    config = settings(SHAPES[0], activation_function="relu", scale_embedding=True, id2label=names)
    model = same_states_and_logits("bart", "BartForSequenceClassification", config, tmp_path, **IDS)
    assert model.encoder.embed.tokens.scale == 4.0
    assert open_here(tmp_path / "ours", bart)[3] == Head("classification", ("bad", "good"))


def test_a_model_that_ties_no_matrices_is_read(tmp_path):
    config = settings(SHAPES[0], tie_word_embeddings=False)
    model = same_states_and_logits("bart", ARCHITECTURES[0], config, tmp_path, **IDS)
    matrices = {model.output.weight, model.encoder.embed.tokens.weight, model.decoder.embed.tokens.weight}
    assert len(matrices) == 3


def test_greedy_tokens_are_the_same(tmp_path):
    model = transformers.BartForConditionalGeneration(settings(SHAPES[1]))
    same_greedy_tokens("bart", model, tmp_path)


@pytest.mark.parametrize("kept", ["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"])
def test_the_one_matrix_is_found_under_any_of_its_names(kept, tmp_path):
    theirs = perturbed(transformers.BartForConditionalGeneration(settings(SHAPES[0])))
    theirs.save_pretrained(tmp_path)
    wanted = open_here(tmp_path, bart)[0]
    tensors = load_file(tmp_path / "model.safetensors")
    tensors[kept] = tensors.pop("model.shared.weight")
    tensors |= {"lm_head.weight": tensors[kept].clone(), "model.encoder.version": torch.ones(1)}
    del tensors["final_logits_bias"]
    save_file(tensors, tmp_path / "model.safetensors")
    found = open_here(tmp_path, bart)[0]
    assert torch.equal(found.output.weight, wanted.output.weight)
    assert torch.equal(found.output.bias, torch.zeros(V).double())


def test_a_text_is_classified_by_its_last_end(tmp_path):
    """What stands behind the last ``</s>`` cannot matter, what stands before it does."""
    ids = Vocabulary.of_texts(V, IDS, start=2)
    model = bart.build(bart.TOY, ids, Head("classification", ("a", "b"))).eval()
    text = texts(**IDS)[:1]
    text[0, 4] = 2
    before = model.classify(text)
    changed = text.clone()
    changed[0, 6] = 1  # padding
    assert torch.equal(text[:, -1], torch.tensor([2]))
    assert not torch.allclose(model.classify(changed), before)
    cut = text[:, :5]
    more = torch.cat((cut, torch.full((1, 3), 1)), 1)
    torch.testing.assert_close(model.classify(more), model.classify(cut))


@pytest.mark.parametrize(
    ("size", "expected"),
    [("base", 139_420_416), ("large", 406_291_456)],
)
def test_the_published_sizes_have_their_parameters(size, expected):
    assert count("bart", size, Vocabulary.of_texts(50_265, IDS, start=2)) == expected


def test_two_vocabularies_are_refused():
    message = (
        r"tokenizer\.joint: got false; expected one vocabulary for both sides with bart; use tokenizer\.joint=true"
    )
    with pytest.raises(SettingError, match=message):
        bart.vocabulary(9, 8, shared=False, roles=IDS)


def test_the_decoder_starts_from_the_end():
    ids = bart.vocabulary(9, 9, shared=True, roles={"pad": 1, "eos": 2, "bos": 0, "sep": 2, "mask": 8})
    assert (ids.start, ids.eos, ids.pad, ids.source_pad, ids.bos, ids.mask) == (2, 2, 1, 1, 0, 8)


@pytest.mark.parametrize("wrong", [{"heads": 3}, {"decoder_heads": 3}])
def test_heads_that_do_not_share_the_width_are_named(wrong):
    message = r"heads: got 3 with d_model 1024; expected a divisor of d_model"
    with pytest.raises(SettingError, match=message):
        bart.Config(**wrong)
