"""The folder of families is its own registry; every family in it has the same parts and keeps the same promises."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from regard import families
from regard.config import build, to_table
from regard.data.tokenizers.layout import LAYOUTS
from regard.errors import SettingError
from regard.models.heads import LANGUAGE, Head
from regard.models.public import check_fit, public_weights, put_public_weights
from regard.models.vocabulary import Vocabulary
from regard.runs.checkpoints.config_checks import ShapesAlone
from regard.runs.recipe import TASKS

PARTS = [
    "Config",
    "SIZES",
    "TOY",
    "TASKS",
    "LAYOUT",
    "MODEL_TYPES",
    "vocabulary",
    "build",
    "obstacle",
    "public_config",
    "read_public_config",
    "public_form",
]
OF_TEXT = [
    name for name in families.names() if not hasattr(families.get(name).Config, "image_size")
]  # the rest: pictures
V = 130  # room for the 100 sentinels of T5
HEADS = {
    "classification": Head("classification", ("bad", "good", "neither")),
    "token_classification": Head("tokens", ("B", "I", "O")),
    "embedding": Head("none"),
    "image_classification": Head("classification", ("bad", "good", "neither")),
    "detection": Head("detection", ("cell",)),
}


def vocabulary_of(family, size: int = V) -> Vocabulary:
    """What a joint tokenizer in the family's layout gives; without text there is none."""
    if family.LAYOUT is None:
        return family.vocabulary(0, 0, shared=True, roles={})
    layout = LAYOUTS[family.LAYOUT]
    last = {token: size - len(layout.last) + number for number, token in enumerate(layout.last)}
    ids = {token: number for number, token in enumerate(layout.first)} | last
    roles = {role: ids[token] for role, token in layout.roles.items()}
    return family.vocabulary(size, size, shared=True, roles=roles)


def heads_of(family) -> list[Head]:
    """The heads that its tasks need."""
    writes = any(task not in HEADS for task in family.TASKS)
    return [*([LANGUAGE] if writes else []), *(HEADS[task] for task in family.TASKS if task in HEADS)]


def file_of(family, config, vocabulary, head) -> dict:
    """What ``config.json`` says, after it has been a file."""
    return json.loads(json.dumps(family.public_config(config, vocabulary, head)))


@pytest.fixture(params=families.names())
def family(request):
    return families.get(request.param)


def test_the_paper_s_family_is_there():
    assert "transformer" in families.names()


def test_a_family_that_is_not_in_the_folder_is_named():
    expected = r"family: got 'bart\.py'; expected one of .*transformer.*; use one of these\."
    with pytest.raises(SettingError, match=expected):
        families.get("bart.py")


def test_no_two_families_read_the_same_checkpoints():
    types = [model_type for name in families.names() for model_type in families.get(name).MODEL_TYPES]
    assert len(set(types)) == len(types)
    assert families.reading("t5") == "t5"
    assert families.reading("unheard-of") is None


@pytest.mark.parametrize("part", PARTS)
def test_a_family_has(family, part):
    assert hasattr(family, part)


def test_a_family_learns_tasks_that_a_recipe_can_name(family):
    assert family.TASKS
    assert set(family.TASKS) <= set(TASKS)
    assert len(set(family.TASKS)) == len(family.TASKS)


def test_a_family_s_settings_are_frozen_and_explained(family):
    assert dataclasses.is_dataclass(family.Config)
    with pytest.raises(dataclasses.FrozenInstanceError):
        family.TOY.dropout = 0.5
    for field in dataclasses.fields(family.Config):
        assert field.metadata["help"], field.name


def test_a_family_s_sizes_are_settings_that_a_recipe_can_hold(family):
    for config in (*family.SIZES.values(), family.TOY):
        assert build(family.Config, to_table(config)) == config


def test_the_first_size_trains_on_a_laptop(family):
    """It is what a run takes where no size is named: at most 12 million weights with 8,000 pieces."""
    model = family.build(next(iter(family.SIZES.values())), vocabulary_of(family, 8000), heads_of(family)[0])
    assert sum(weight.numel() for weight in model.parameters()) <= 12e6


def test_a_family_tells_its_longest_text(family):
    assert family.TOY.most_tokens is None or family.TOY.most_tokens > 1


def test_a_toy_comes_back_from_disk_as_it_was(family):
    """Its settings and its head, the ids that a model itself goes by, and every weight."""
    before = vocabulary_of(family)
    for head in heads_of(family):
        model = family.build(family.TOY, before, head)
        weights = public_weights(model, family.public_form(family.TOY, before, head), head)
        config, ids, found = family.read_public_config(file_of(family, family.TOY, before, head), weights.keys())
        assert (config, found) == (family.TOY, head)
        for name in ("source", "target", "shared", "pad", "source_pad", "start", "never"):
            assert getattr(ids, name) == getattr(before, name), name
        assert before.start is None or ids.eos == before.eos
        torch.manual_seed(99)
        again = family.build(config, dataclasses.replace(ids, eos=before.eos), head)
        assert not all(map(torch.equal, model.parameters(), again.parameters()))
        fit = put_public_weights(again, family.public_form(config, ids, head), weights)
        assert not fit.fresh
        for name, weight in model.state_dict().items():
            assert torch.equal(again.state_dict()[name], weight), name


def test_what_is_saved_is_float32_and_shares_no_memory(family):
    ids = vocabulary_of(family)
    for head in heads_of(family):
        model = family.build(family.TOY, ids, head).to(torch.bfloat16)
        weights = public_weights(model, family.public_form(family.TOY, ids, head), head)
        assert {weight.dtype for weight in weights.values() if weight.is_floating_point()} == {torch.float32}
        assert len({weight.data_ptr() for weight in weights.values()}) == len(weights)


def test_only_a_model_without_obstacle_goes_by_a_public_name(family):
    ids = vocabulary_of(family)
    hindrance = family.obstacle(family.TOY, ids)
    assert hindrance is None or "=" in hindrance
    ours = family.public_config(family.TOY, ids)["model_type"] == "regard"
    assert ours is (hindrance is not None)


def test_every_size_can_be_built_and_its_file_read(family):
    ids = vocabulary_of(family, 1000)
    head = heads_of(family)[0]
    with ShapesAlone():
        for config in family.SIZES.values():
            if getattr(config, "layers", 1) * config.d_model**2 > 24 * 2048**2:
                continue  # a hundred gigabytes, even if of nothing, are made a module at a time
            model = family.build(config, ids, head)
            assert {weight.device.type for weight in model.parameters()} == {"meta"}
            form = family.public_form(config, ids, head)
            shapes = {name: list(weight.shape) for name, weight in public_weights(model, form, head).items()}
            check_fit(model, form, shapes)
