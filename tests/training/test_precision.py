"""The float32 weights behind a model that computes in bfloat16."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from regard.families import transformer
from regard.layers.image_norm import image_norm
from regard.models.state import put_weights
from regard.models.vocabulary import joint_vocabulary
from regard.runs.validate import complete
from regard.training.checkpoint import restore_checkpoint, save_checkpoint
from regard.training.precision import MasterWeights, choose_dtype, has_bfloat16


def one_weight(value: float) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def test_updates_too_small_for_bfloat16_add_up():
    """Next to 1 the numbers of bfloat16 are 2^−7 apart; a hundred steps of 0.001 are 0.1, each alone rounds to none."""
    layer = one_weight(1.0)
    weights = MasterWeights(layer, torch.bfloat16)
    alone = torch.tensor(1.0, dtype=torch.bfloat16)
    for _ in range(100):
        with torch.no_grad():
            weights.parameters["weight"].add_(0.001)
        weights.publish()
        alone += 0.001
    assert alone.item() == 1.0
    assert weights.tensors()["weight"].item() == pytest.approx(1.1, abs=1e-5)
    assert layer.weight.item() == 1.1015625  # the nearest bfloat16: 1 + 13/128
    assert layer.weight.dtype == torch.bfloat16


def test_gradients_of_several_batches_add_up_in_float32():
    """256 + 1 is 256 in bfloat16."""
    layer = one_weight(1.0)
    weights = MasterWeights(layer, torch.bfloat16)
    for size in (256.0, 1.0, 1.0):
        (layer(torch.tensor([[size]], dtype=torch.bfloat16))).sum().backward()
        weights.collect_gradients()
        assert layer.weight.grad is None
    assert weights.parameters["weight"].grad.dtype == torch.float32
    assert weights.parameters["weight"].grad.item() == 258.0


def test_a_weight_without_gradient_is_passed_over():
    layer = nn.Linear(2, 2)
    weights = MasterWeights(layer, torch.bfloat16)
    weights.collect_gradients()
    assert all(weight.grad is None for weight in weights.parameters.values())


def test_in_float32_both_are_the_same_tensors():
    layer = nn.Linear(2, 3)
    weights = MasterWeights(layer, torch.float32)
    assert weights.parameters["weight"] is layer.weight
    layer(torch.ones(1, 2)).sum().backward()
    weights.collect_gradients()
    assert torch.equal(weights.parameters["weight"].grad, torch.ones(3, 2))
    with torch.no_grad():
        weights.parameters["weight"].fill_(7.0)
    weights.publish()
    assert torch.equal(layer.weight, torch.full((3, 2), 7.0))


def test_the_float32_weights_are_what_the_model_had_before_it_was_rounded():
    layer = one_weight(1.001)
    weights = MasterWeights(layer, torch.bfloat16)
    assert weights.tensors()["weight"].item() == pytest.approx(1.001, abs=1e-7)
    assert layer.weight.item() == 1.0


def test_a_shared_matrix_stays_shared_and_is_kept_once():
    model = transformer.build(transformer.TOY, joint_vocabulary(11))
    weights = MasterWeights(model, torch.bfloat16)
    assert model.output.weight is model.encoder.embed.tokens.weight is model.decoder.embed.tokens.weight
    assert len(weights.parameters) == len(list(model.parameters()))
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert {weight.dtype for weight in weights.parameters.values()} == {torch.float32}
    assert not any(tensor.requires_grad for tensor in weights.tensors().values())


@pytest.mark.parametrize(
    ("precision", "able", "dtype"),
    [
        ("auto", True, torch.bfloat16),
        ("auto", False, torch.float32),
        ("bfloat16", False, torch.bfloat16),
        ("float32", True, torch.float32),
    ],
)
def test_the_machine_decides_only_where_it_is_asked(monkeypatch, precision, able, dtype):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: able)
    assert has_bfloat16() is able
    assert choose_dtype(precision) == dtype


@pytest.mark.parametrize(("able", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_gpu_that_trains_decides_for_itself(monkeypatch, able, dtype):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: able and not including_emulation)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: not able)
    assert choose_dtype("auto", torch.device("cuda")) == dtype


@pytest.mark.parametrize("able", [True, False])
def test_a_gpu_on_which_nothing_is_trained_is_not_asked(monkeypatch, able):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **rules: not able)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: able)
    assert has_bfloat16() is able


def with_batch_norm(trainer_of, copying, precision, average="last"):
    model = {"norm_kind": "batch", "dropout": 0.1}
    return trainer_of(copying(), model=model, precision=precision, average=average, accumulate=2)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_running_statistics_are_kept_in_float32_and_no_optimizer_moves_them(trainer_of, copying, precision):
    trainer = with_batch_norm(trainer_of, copying, precision)
    assert not any("running" in name for name in trainer.weights.parameters)
    for _ in trainer.steps(3):
        pass
    kept = {name: tensor for name, tensor in trainer.kept_weights().items() if "running" in name}
    own = {name: tensor for name, tensor in trainer.model.named_buffers() if "running" in name}
    assert len(kept) == 2 * (2 + 3)
    assert kept.keys() == own.keys()
    for name, tensor in kept.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, own[name])
        assert not torch.equal(tensor, tensor.bfloat16().float())
        assert (tensor != (1.0 if name.endswith("variance") else 0.0)).all()


@pytest.mark.parametrize("average", ["last", "running"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_running_statistics_go_on_to_the_same_bits_from_a_checkpoint(trainer_of, copying, tmp_path, precision, average):
    straight, stopped, resumed = (with_batch_norm(trainer_of, copying, precision, average) for _ in range(3))
    for trainer, until in ((straight, 8), (stopped, 5)):
        for _ in trainer.steps(until):
            pass
    restore_checkpoint(save_checkpoint(tmp_path, stopped, {}), resumed)
    for _ in resumed.steps(8):
        pass
    found, expected = resumed.tensors(), straight.tensors()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert sum("running_mean" in name for name in expected) == (10 if average == "running" else 5)


def test_what_is_saved_fills_a_fresh_model_wholly(trainer_of, copying):
    """Its running statistics too: it then computes in evaluation what the trained model does."""
    trainer = with_batch_norm(trainer_of, copying, "float32")
    for _ in trainer.steps(3):
        pass
    fresh = with_batch_norm(trainer_of, copying, "float32").model
    put_weights(fresh, complete(fresh, trainer.kept_weights()))
    ids = torch.tensor([[3, 4, 5, 0]])
    assert torch.equal(fresh.eval()(ids, ids), trainer.model.eval()(ids, ids))


def test_a_model_without_batch_norm_keeps_its_parameters_alone():
    model = transformer.build(transformer.TOY, joint_vocabulary(11))
    assert MasterWeights(model, torch.float32).tensors().keys() == dict(model.named_parameters()).keys()


@pytest.mark.parametrize("kind", ["frozen", "batch"])
def test_the_statistics_of_feature_maps_are_kept_wide_and_belong_to_what_is_saved(kind):
    """A frozen norm's too, though nothing changes them: without them what is kept would be no whole model."""
    norm = image_norm(kind, 2)
    for buffer in norm.buffers():
        buffer.fill_(1 + 2.0**-12)  # bfloat16 has no such number
    weights = MasterWeights(norm, torch.bfloat16)
    before = weights.statistics()
    norm.train()(torch.randn(2, 2, 3, 3))
    assert {name.rpartition(".")[2] for name in weights.tensors()} == set(norm.state_dict())
    assert {tensor.dtype for tensor in weights.tensors().values()} == {torch.float32}
    weights.put_statistics(before)
    assert all(torch.equal(buffer, torch.full((2,), 1 + 2.0**-12)) for buffer in norm.buffers())
