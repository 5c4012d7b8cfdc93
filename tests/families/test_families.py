"""The folder of families is its own registry; every family in it has the same parts and keeps the same promises."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from regard import families
from regard.config import build, to_table
from regard.errors import SettingError
from regard.models.vocabulary import Vocabulary, joint_vocabulary

PARTS = [
    "Config",
    "SIZES",
    "TOY",
    "TASKS",
    "build",
    "obstacle",
    "public_config",
    "read_public_config",
    "public_weights",
    "put_public_weights",
]
VOCABULARIES = {"joint": joint_vocabulary(11), "separate": Vocabulary(11, 7, shared=False)}


@pytest.fixture(params=families.names())
def family(request):
    return families.get(request.param)


def test_the_paper_s_family_is_there():
    assert "transformer" in families.names()


def test_a_family_that_is_not_in_the_folder_is_named():
    expected = r"family: got 'bart\.py'; expected one of .*transformer.*; use one of these\."
    with pytest.raises(SettingError, match=expected):
        families.get("bart.py")


@pytest.mark.parametrize("part", PARTS)
def test_a_family_has(family, part):
    assert hasattr(family, part)


def test_a_family_s_settings_are_frozen_and_explained(family):
    assert dataclasses.is_dataclass(family.Config)
    with pytest.raises(dataclasses.FrozenInstanceError):
        family.TOY.dropout = 0.5
    for field in dataclasses.fields(family.Config):
        assert field.metadata["help"], field.name


def test_a_family_s_sizes_are_settings_that_a_recipe_can_hold(family):
    assert family.TASKS
    for config in (*family.SIZES.values(), family.TOY):
        assert build(family.Config, to_table(config)) == config


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=VOCABULARIES)
def test_a_toy_comes_back_from_disk_as_it_was(family, vocabulary):
    model = family.build(family.TOY, vocabulary)
    table = json.loads(json.dumps(family.public_config(family.TOY, vocabulary)))
    config, ids = family.read_public_config(table)
    assert (config, ids) == (family.TOY, vocabulary)
    torch.manual_seed(99)
    again = family.build(config, ids)
    assert not all(map(torch.equal, model.parameters(), again.parameters()))
    family.put_public_weights(again, config, family.public_weights(model, config))
    for name, weight in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight), name


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=VOCABULARIES)
def test_what_is_saved_is_float32_and_shares_no_memory(family, vocabulary):
    model = family.build(family.TOY, vocabulary).to(torch.bfloat16)
    weights = family.public_weights(model, family.TOY)
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    assert len({weight.data_ptr() for weight in weights.values()}) == len(weights)


def test_only_a_model_without_obstacle_goes_by_a_public_name(family):
    for vocabulary in VOCABULARIES.values():
        ours = family.public_config(family.TOY, vocabulary)["model_type"] == "regard"
        assert ours is (family.obstacle(family.TOY, vocabulary) is not None)


def test_every_size_can_be_built(family):
    with torch.device("meta"):
        for config in family.SIZES.values():
            model = family.build(config, joint_vocabulary(1000))
            assert {weight.device.type for weight in model.parameters()} == {"meta"}
