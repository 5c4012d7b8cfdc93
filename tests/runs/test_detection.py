"""A model that finds objects in pictures, as a user trains and uses one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from tests.runs.pictures import draw_objects

import regard
from regard.data.images.preparation import KEPT, Preparation
from regard.errors import RunError

SMALL = (
    "family=detr model.layers=1 model.d_model=16 model.heads=2 model.d_ff=32 model.queries=6 model.dropout=0 "
    "model.depths=[1,1] model.widths=[8,16] model.block=basic model.stem_width=8 model.backbone_norm=batch "
    "model.image_size=32 model.longest_side=64 images.batch=8 train.learning_rate=0.003 train.threads=1 "
    "train.precision=float32"
).split()


@pytest.fixture(scope="module")
def boxes(tmp_path_factory) -> Path:
    return draw_objects(tmp_path_factory.mktemp("boxes"), 60)


@pytest.fixture(scope="module")
def run(command, boxes, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    ended = command("train", "--images", boxes, *SMALL, "train.steps=120", "train.validate_every=10", "--out", folder)
    assert ended.code == 0, ended.err
    return folder


def test_it_learns_and_its_scores_are_told(run):
    """In a minute's training a detection Transformer finds little; but its loss falls, and everything is counted."""
    facts = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [one["valid_loss"] for one in facts if "valid_loss" in one]
    assert losses[-1] < losses[0] - 0.5
    assert all(0 <= one["valid_ap50"] <= 1 for one in facts if "valid_loss" in one)
    card = (run / "README.md").read_text(encoding="utf-8")
    assert "Ap50" in card
    assert "misses some of these" in card
    assert "validation pictures" in (run / "report.html").read_text(encoding="utf-8").lower()


def test_boxes_are_told_in_pixels_of_the_picture_and_drawn(run, command, boxes, tmp_path):
    file = boxes.parent / "000.png"
    ended = command("detect", run, file, "--threshold", 0.2, "--out", tmp_path / "marked")
    assert ended.code == 0, ended.err
    (table,) = map(json.loads, ended.out.splitlines())
    assert table["file"] == str(file)
    assert table["objects"]
    with Image.open(file) as opened:
        width, height = opened.size
    for one in table["objects"]:
        left, top, right, bottom = one["box"]
        assert 0 <= left <= right <= width
        assert 0 <= top <= bottom <= height
        assert one["label"] in ("bright", "dark")
    assert (tmp_path / "marked" / "000.png").stat().st_size > 1000


def test_no_picture_is_drawn_over_another_or_over_one_that_is_read(run, command, boxes, tmp_path, tree):
    copied = shutil.copy(boxes.parent / "000.png", tmp_path / "000.png")
    before = tree(tmp_path)
    told = refused(command, "detect", run, copied, "--out", tmp_path)
    assert "of one that is read; expected a picture of its own for each; use another folder or other names." in told
    told = refused(command, "detect", run, copied, boxes.parent / "000.png", "--out", tmp_path / "marked")
    assert "which is the name of another picture" in told
    assert tree(tmp_path) == before


def test_python_takes_opened_pictures_and_batches_change_nothing(run, boxes):
    model = regard.load(run)
    files = [boxes.parent / f"{number:03}.png" for number in range(6)]
    whole = model.detect(files, 0.0)
    with Image.open(files[3]) as opened:
        (alone,) = model.detect([opened], 0.0)
    assert [one.label for one in alone] == [one.label for one in whole[3]]
    for one, other in zip(alone, whole[3], strict=True):
        assert one.box == pytest.approx(other.box, abs=1e-3)


def test_transformers_finds_the_same(run, boxes):
    """The run as it is, through its own model and its own preparation."""
    import transformers

    theirs = transformers.DetrForObjectDetection.from_pretrained(run)
    prepare = transformers.AutoImageProcessor.from_pretrained(run)
    with Image.open(boxes.parent / "002.png") as opened, torch.no_grad():
        read = prepare(opened.convert("RGB"), return_tensors="pt")
        said = theirs(**read)
        (found,) = prepare.post_process_object_detection(said, 0.0, [opened.size[::-1]])
        (ours,) = regard.load(run).detect([opened], 0.0)
    for one, (score, box) in zip(
        ours, sorted(zip(found["scores"].tolist(), found["boxes"].tolist(), strict=True), reverse=True), strict=True
    ):
        assert one.score == pytest.approx(score, abs=0.02)
        assert one.box == pytest.approx(box, abs=1.0)


def test_proportions_are_kept_within_the_longest_side():
    preparation = Preparation(30, KEPT, longest=50)
    assert preparation.sides(60, 40) == (45, 30)
    assert preparation.sides(40, 60) == (30, 45)
    assert preparation.sides(100, 40) == (50, 20)
    assert preparation.pixels(Image.new("RGB", (40, 100))).shape == (3, 50, 20)
    assert Preparation.from_table(json.loads(json.dumps(preparation.to_table())), 1) == preparation


# What goes wrong -----------------------------------------------------------------------------------------------------


def refused(command, *words) -> str:
    ended = command(*words)
    assert ended.code == 2, ended.err
    return ended.err


def test_b17_a_box_outside_its_picture_stops_the_training_or_is_left_out(command, boxes, tmp_path, tree):
    table = json.loads(boxes.read_text())
    table["annotations"][4]["bbox"] = [0, 0, 900, 5]
    for one in table["images"]:
        one["file_name"] = str(boxes.parent / one["file_name"])
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    before = tree(tmp_path)
    words = ["--images", path, *SMALL, "train.steps=2", "--out", tmp_path / "run"]
    assert "got box 5, [0.0, 0.0, 900.0, 5.0], in a picture of" in refused(command, "train", *words)
    assert tree(tmp_path) == before
    ended = command("train", *words, "images.bad=drop")
    assert ended.code == 0, ended.err
    assert "1 boxes left out; the first: " in " ".join(ended.err.split())


def test_b17_a_class_that_is_not_taught_is_named(command, boxes, tmp_path):
    table = json.loads(boxes.read_text())
    table["categories"].append({"id": 99, "name": "purple"})
    for one in table["images"]:
        one["file_name"] = str(boxes.parent / one["file_name"])
    valid = tmp_path / "valid.json"
    valid.write_text(json.dumps(table), encoding="utf-8")
    told = refused(command, "train", "--images", boxes, "--valid-images", valid, *SMALL, "--out", tmp_path / "run")
    assert (
        "got the class 'purple'; expected one of those trained on (bright, dark); correct it, or leave it out." in told
    )


def test_pictures_without_objects_to_measure_on_are_too_few(command, boxes, tmp_path):
    table = json.loads(boxes.read_text())
    for one in table["images"]:
        one["file_name"] = str(boxes.parent / one["file_name"])
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({**table, "annotations": []}), encoding="utf-8")
    told = refused(command, "train", "--images", path, *SMALL, "--out", tmp_path / "run")
    assert "got 60 pictures; expected pictures to train and, with objects, to measure on; check the file." in told


def test_a_model_of_other_things_finds_nothing(finished_run, run, command, boxes):
    told = refused(command, "detect", finished_run, boxes.parent / "000.png")
    assert "expected one that can detect" in told
    with pytest.raises(RunError, match="expected one that can classify pictures"):
        _ = regard.load(run).picture_classifier
