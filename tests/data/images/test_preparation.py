"""What a picture goes through before a model reads it, against transformers and by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from regard.data.images.preparation import KEPT, Preparation, stacked
from regard.errors import CheckpointError


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(4).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("shape", [(40, 40), (53, 31), (20, 64)])
@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_transformers_prepares_a_picture_likewise(tmp_path, fit, shape):
    """With a crop theirs resizes the whole picture to whole pixels first, so that only squares come out the same."""
    ours = Preparation(16, fit, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    ours.write(tmp_path)
    theirs = transformers.AutoImageProcessor.from_pretrained(tmp_path, use_fast=False)
    picture = noise(*shape)
    wanted = theirs(picture, return_tensors="pt")["pixel_values"]
    found = ours.images(stacked([ours.pixels(picture)]))
    if fit == "stretch" or shape[0] == shape[1]:
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
    assert found.shape == wanted.shape


@pytest.mark.parametrize("shape", [(40, 53), (31, 20), (64, 64), (100, 20), (17, 90)])
def test_proportions_are_kept_as_transformers_keeps_them(tmp_path, shape):
    ours = Preparation(30, KEPT, longest=50)
    ours.write(tmp_path)
    theirs = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    picture = noise(*shape)
    wanted = theirs(picture, return_tensors="pt")["pixel_values"]
    found = ours.images(stacked([ours.pixels(picture)]))
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) < 0.03  # they resize with torch, we with Pillow, and both round


def test_the_middle_is_cut_out_where_it_is_not_stretched():
    wide = np.zeros((4, 8, 3), np.uint8)
    wide[:, 2:6] = 200
    assert (Preparation(4).pixels(Image.fromarray(wide)) == 200).all()
    assert not (Preparation(4, "stretch").pixels(Image.fromarray(wide)) == 200).all()


def test_numbers_are_normalised_channel_by_channel():
    preparation = Preparation(1, mean=(0.0, 0.5, 1.0), deviation=(1.0, 0.5, 0.25))
    pixels = torch.tensor([255, 0, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    images = preparation.images(pixels)
    torch.testing.assert_close(images.flatten(), torch.tensor([1.0, -1.0, -3.2]))


def test_what_is_written_reads_back_equal(tmp_path):
    for preparation in (Preparation(32, "crop", (0.1, 0.2, 0.3)), Preparation(224, "stretch")):
        assert Preparation.from_table(json.loads(json.dumps(preparation.to_table())), 7) == preparation


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, Preparation(64, "stretch")),
        ({"size": 224}, Preparation(224, "stretch")),
        ({"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": 224}, Preparation(224)),
        ({"size": {"height": 32, "width": 32}, "image_mean": [0, 0, 0]}, Preparation(32, "stretch", (0.0, 0.0, 0.0))),
    ],
)
def test_the_tables_of_public_models_are_read(table, expected):
    assert Preparation.from_table(table, 64) == expected


@pytest.mark.parametrize(
    "table",
    [
        {"size": "large"},
        {"size": 10**9},
        {"image_mean": [0.5]},
        {"image_std": [0, 1, 1]},
        {"image_mean": [float("nan")] * 3},
    ],
    ids=str,
)
def test_a_table_that_makes_no_sense_is_refused(table):
    with pytest.raises(
        CheckpointError, match=r"preprocessor_config\.json: got .*; expected a size, means and deviations"
    ):
        Preparation.from_table(table, 64)
