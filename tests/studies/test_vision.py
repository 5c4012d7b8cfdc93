"""Vision: the drawn shapes, the verdict in each direction, and the study in small."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from regard.errors import DataError
from regard.studies import vision
from regard.studies.frame.curve import gain, gain_fades, verdict
from regard.studies.frame.study import Order
from regard.studies.frame.watch import SILENT
from regard.studies.picture_classes.classes import LEAST, Lesson, Pictures, Sight, hits, learnt, of_files, of_shapes
from regard.studies.picture_classes.shapes import DARK, SHAPES, SIDE, shapes
from regard.studies.vision import BOTH, CNN, FULL, QUICK, SIGHTS, VIT, run
from regard.training.settings import TrainSettings

SMALL = {"depths": [1], "widths": [8], "block": "basic", "stem_width": 8, "stem": "small"}
TINY = replace(
    QUICK,
    sights={
        CNN: Sight("resnet", SMALL, 1e-3),
        BOTH: Sight("resnet", {**SMALL, "attention": [1]}, 1e-3),
        VIT: Sight("vit", {"layers": 1, "d_model": 8, "d_ff": 8, "heads": 2, "patch": 8}, 1e-3),
    },
    pictures=(8, 16),
    test_pictures=20,
    steps=3,
    batch=8,
)


def measured(convolution, patches):
    """The hits of one seed; of a number, the share of 100 pictures that are right, first those that are easy."""
    return [
        {n: [(np.arange(100) < 100 * share) * 1.0] for n, share in zip((10, 100, 1000, 10_000), line, strict=True)}
        for line in (patches, convolution)
    ]


@pytest.mark.parametrize(
    ("convolution", "patches", "held"),
    [
        ((0.5, 0.7, 0.9, 1.0), (0.1, 0.3, 0.8, 1.0), True),
        ((0.1, 0.1, 0.6, 0.9), (0.1, 0.1, 0.1, 0.1), None),  # it leads, but not yet with few
        ((0.6, 0.7, 0.8, 0.9), (0.4, 0.5, 0.6, 0.7), None),  # as far ahead with few as with many
        ((0.1, 0.3, 0.8, 0.9), (0.5, 0.7, 0.9, 0.9), False),
        ((0.1, 0.3, 0.8, 1.0), (0.1, 0.3, 0.8, 1.0), None),
    ],
)
def test_the_claim_needs_a_lead_over_the_whole_curve_and_more_of_it_with_few_pictures(convolution, patches, held):
    lines = measured(convolution, patches)
    assert verdict(gain(*lines), gain_fades(*lines)) is held


def test_every_shape_is_drawn_as_often_and_the_same_seed_draws_the_same():
    pixels, names = shapes(40, 7)
    assert pixels.shape == (40, 3, SIDE, SIDE)
    assert {names.count(name) for name in SHAPES} == {5}
    again, _ = shapes(40, 7)
    other, _ = shapes(40, 8)
    assert np.array_equal(pixels, again)
    assert not np.array_equal(pixels, other)


def test_a_shape_is_whole_bright_and_on_a_dark_ground():
    pixels, _ = shapes(64, 1)
    bright = pixels.mean(1) > 255 / 2
    assert not bright[:, [0, -1]].any()
    assert not bright[:, :, [0, -1]].any()
    areas = bright.mean((1, 2))
    assert areas.min() > 0.02  # π · 0.2² · SIDE² would be a disc's 0.13, a bar is thinner
    assert areas.max() < 0.5
    assert pixels[:, :, 0, 0].mean() == pytest.approx(255 * DARK / 2, rel=0.15)


def test_shapes_cover_what_they_should_within_a_circle():
    """By arithmetic: the share of the square from −1 to 1 that is inside."""
    places = (np.arange(1000) + 0.5) / 500 - 1
    x, y = np.meshgrid(places, places)
    areas = {name: inside(x, y).mean() for name, inside in SHAPES.items()}
    assert not any((inside(x, y) & (np.hypot(x, y) > 1.001)).any() for inside in SHAPES.values())
    assert areas["disc"] == pytest.approx(np.pi * 0.8 / 4, abs=0.003)
    assert areas["square"] == pytest.approx(0.49, abs=0.003)
    assert areas["bar"] == pytest.approx(0.92 * 0.35, abs=0.003)
    assert areas["cross"] == pytest.approx((2 * 1.9 * 0.6 - 0.36) / 4, abs=0.003)
    assert areas["ring"] == pytest.approx(np.pi * (0.97**2 - 0.53**2) / 4, abs=0.003)


def test_fewer_pictures_are_part_of_more_and_have_every_class():
    material = of_shapes(80, 16, seed=1)
    ordered = material.train.chosen_first(3)
    assert len(ordered) == 80
    assert sorted(ordered.classes[:8]) == list(range(8))
    assert sorted(map(bytes, ordered.pixels)) == sorted(map(bytes, material.train.pixels))
    drawn = {bytes(one): name for one, name in zip(material.train.pixels, material.train.classes, strict=True)}
    assert [drawn[bytes(one)] for one in ordered.pixels] == ordered.classes.tolist()


def test_a_hit_is_a_picture_whose_class_the_model_finds():
    class Means:
        """Says which of red, green and blue is brightest."""

        def eval(self):
            return self

        def classify(self, images):
            return images.mean((2, 3))

    pixels = np.zeros((3, 3, SIDE, SIDE), np.uint8)
    pixels[[0, 1, 2], [2, 0, 1]] = 255
    assert hits(Means(), Pictures(pixels, np.array([2, 1, 1]))).tolist() == [1, 0, 1]


def test_convolution_learns_the_shapes():
    material = of_shapes(400, 100, seed=1)
    plan = TrainSettings(steps=60, learning_rate=3e-3, optimizer="adamw", seed=1, precision="float32")
    right = learnt(SIGHTS[CNN], material.train, material, Lesson(plan, 32), SILENT).mean()
    assert right > 3 * material.chance


def folder_of(tmp_path, count, classes=("dark", "light")):
    for number in range(count):
        label = classes[number % len(classes)]
        (tmp_path / label).mkdir(exist_ok=True)
        Image.new("RGB", (40, 30), (200 * (label == "light") + number % 50,) * 3).save(
            tmp_path / label / f"{number}.png"
        )
    return tmp_path


def test_pictures_of_yours_are_parted_into_train_and_test(tmp_path):
    material = of_files(folder_of(tmp_path, 130), train=1000, test=500, seed=1)
    assert (len(material.train), len(material.test)) == (104, 26)  # a fifth, where there are not so many
    assert material.labels == ("dark", "light")
    bright = material.train.pixels.mean((1, 2, 3)) > 128
    assert np.array_equal(bright, material.train.classes == 1)


def test_of_as_few_as_are_taken_enough_are_left_to_learn_from():
    assert max(min(study.pictures) for study in (QUICK, FULL)) <= LEAST - LEAST // 5


@pytest.mark.parametrize(("count", "classes"), [(124, ("dark", "light")), (130, ("light",))])
def test_too_few_pictures_are_refused(tmp_path, count, classes):
    folder = folder_of(tmp_path, count, classes)
    got = f"got {count} pictures of {len(classes)} classes; "
    expected = "expected at least 125 pictures of two classes or more; give more of them, or none"
    with pytest.raises(DataError, match=got + expected):
        run(Order(quick=True, images=folder))


def test_the_study_says_what_it_measured(monkeypatch):
    monkeypatch.setattr(vision, "QUICK", TINY)
    found = run(Order(quick=True, repeats=2))
    assert set(found.numbers["accuracy"]) == {CNN, BOTH, VIT}
    assert [row[0] for row in found.tables[0].rows] == ["8", "16"]
    accuracy = found.numbers["accuracy"]
    assert all(len(accuracy[arm][n]) == 2 for arm in accuracy for n in ("8", "16"))
    # two numbers of pictures: the area between the curves is the mean of the two differences
    leads = [100 * np.mean(np.subtract(accuracy[CNN][n], accuracy[VIT][n])) for n in ("8", "16")]
    assert found.numbers["convolution minus ViT"]["value"] == pytest.approx(np.mean(leads))
    assert found.numbers["with few minus with many"]["value"] == pytest.approx(leads[0] - leads[1])
    inside = np.mean([np.subtract(accuracy[BOTH][n], accuracy[CNN][n]) for n in ("8", "16")])
    assert found.numbers["attention inside minus convolution alone"]["value"] == pytest.approx(100 * inside)
    assert {picture.name for picture in found.pictures} == {"vision", "examples"}
    assert f"{found.numbers['convolution minus ViT']['value']:+z.1f} points" in found.sentence
