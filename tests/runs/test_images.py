"""A classifier of pictures, as a user trains and uses one: through folders, tables, the command and Python."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.runs.pictures import CLASSES, draw

import regard
from regard.data.images.store import PictureStore, write_pictures
from regard.errors import CheckpointError, DataError, RunError
from regard.runs.recipe import recipe_from
from regard.runs.room import refuse_too_large

SMALL = (
    "family=vit model.layers=1 model.d_model=16 model.heads=2 model.d_ff=32 model.image_size=8 model.patch=4 "
    "images.batch=16 train.learning_rate=0.01 train.threads=1 train.precision=float32"
).split()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return draw(tmp_path_factory.mktemp("pictures"), 120)


@pytest.fixture(scope="module")
def run(command, pictures, tmp_path_factory) -> Path:
    """A model that has learnt to tell the two classes apart."""
    folder = tmp_path_factory.mktemp("run") / "run"
    ended = command("train", "--images", pictures, *SMALL, "train.steps=150", "train.save_every=75", "--out", folder)
    assert ended.code == 0, ended.err
    return folder


def predicted(output: str) -> list[tuple[str, str]]:
    """(class, file's folder) of each line."""
    rows = [line.split("\t") for line in output.splitlines()]
    assert all(re.fullmatch(r"[01]\.\d{4}", share) for _, share, _ in rows)
    return [(label, Path(file).parent.name) for label, _, file in rows]


def test_it_tells_new_pictures_apart(run, command, tmp_path):
    new = draw(tmp_path / "new", 40, seed=9)
    ended = command("classify", run, new)
    assert ended.code == 0, ended.err
    found = predicted(ended.out)
    assert len(found) == 40
    assert sum(label == folder for label, folder in found) >= 38


def test_its_report_shows_pictures_and_its_scores_are_told(run):
    assert "validation pictures" in (run / "report.html").read_text(encoding="utf-8").lower()
    card = (run / "README.md").read_text(encoding="utf-8")
    assert "Macro f1" in card
    assert "It has seen only the pictures named above" in card
    assert "translation" not in card


def test_every_class_is_told_where_it_is_asked_for(run, command, pictures):
    file = pictures / "top" / "001.png"
    (table,) = map(json.loads, command("classify", run, file, "--json").out.splitlines())
    assert table["file"] == str(file)
    assert sorted(table["probabilities"]) == list(CLASSES)
    assert sum(table["probabilities"].values()) == pytest.approx(1)


def test_python_takes_files_and_opened_pictures_alike(run, pictures):
    model = regard.load(run)
    file = pictures / "top" / "003.png"
    with Image.open(file) as opened:
        assert model.classify([file, str(file), opened])[0] == model.classify([opened])[0]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
def test_batches_do_not_change_a_bit(run, pictures, monkeypatch, size):
    files = sorted(pictures.rglob("*.png"))[:10]
    model = regard.load(run)
    whole = model.classify(files)
    monkeypatch.setattr("regard.decoding.picture_classifier.BATCH", size)
    assert model.classify(files) == whole


def test_transformers_gives_the_same_probabilities(run, pictures):
    import transformers

    theirs = transformers.AutoModelForImageClassification.from_pretrained(run)
    prepare = transformers.AutoImageProcessor.from_pretrained(run, use_fast=False)
    file = pictures / "bottom" / "000.png"
    with Image.open(file) as opened, torch.no_grad():
        wanted = theirs(**prepare(opened.convert("RGB"), return_tensors="pt")).logits.softmax(-1)[0]
    (found,) = regard.load(run).classify([file])
    for index, name in theirs.config.id2label.items():
        assert found.probabilities[name] == pytest.approx(float(wanted[index]), abs=1e-5)


def test_a_table_beside_the_pictures_names_them_and_their_classes(command, pictures, tmp_path):
    """The same data by either way gives the same ids; and a run begins with another's weights."""
    rows = [{"file": str(file.relative_to(pictures)), "kind": file.parent.name} for file in pictures.rglob("*.png")]
    shutil.copytree(pictures, tmp_path / "data")
    lines = "".join(json.dumps(row) + "\n" for row in sorted(rows, key=lambda row: row["file"]))
    (tmp_path / "data" / "all.jsonl").write_text(lines, encoding="utf-8")
    table = ["--images", tmp_path / "data" / "all.jsonl", "--label", "kind", "data.image_column=file"]
    for name, words in (("folder", ["--images", pictures]), ("table", table)):
        ended = command("train", *words, *SMALL, "train.steps=2", "--out", tmp_path / name)
        assert ended.code == 0, ended.err
    one, other = (tmp_path / name / "model.safetensors" for name in ("folder", "table"))
    assert one.read_bytes() == other.read_bytes()


def test_it_learns_on_from_another_run_with_other_classes(run, command, pictures, tmp_path):
    shutil.copytree(pictures, tmp_path / "data")
    shutil.copytree(pictures / "top", tmp_path / "data" / "third")
    ended = command("train", "--init", run, "--images", tmp_path / "data", "train.steps=3", "--out", tmp_path / "run")
    assert ended.code == 0, ended.err
    assert regard.load(tmp_path / "run").head.labels == ("bottom", "third", "top")


def test_an_exported_run_is_opened_whole(run, command, tmp_path, pictures):
    assert command("export", run, tmp_path / "out", "--to", "huggingface").code == 0
    file = pictures / "top" / "001.png"
    assert regard.load(tmp_path / "out").classify([file]) == regard.load(run).classify([file])


def test_inspect_and_the_size_of_a_model_without_text(run, command):
    ended = command("inspect", run)
    assert ended.code == 0
    assert "vocabulary" not in ended.out
    assert "image_classification" in ended.out
    refuse_too_large(recipe_from({"family": "vit"}), 0, 0, shared=True)


# What goes wrong -----------------------------------------------------------------------------------------------------


def refused(command, *words) -> str:
    ended = command(*words)
    assert ended.code == 2, ended.err
    return ended.err


def test_b16_a_damaged_picture_is_named_and_nothing_is_written(command, pictures, tmp_path, tree):
    shutil.copytree(pictures, tmp_path / "data")
    broken = tmp_path / "data" / "top" / "005.png"
    broken.write_bytes(broken.read_bytes()[:60])
    before = tree(tmp_path)
    told = refused(command, "train", "--images", tmp_path / "data", *SMALL, "train.steps=2", "--out", tmp_path / "run")
    assert re.search(r"005\.png: got a damaged picture .*; expected a whole one; put a whole copy there", told)
    assert tree(tmp_path) == before


def test_b16_damaged_pictures_are_left_out_and_counted_where_that_is_asked_for(command, pictures, tmp_path):
    shutil.copytree(pictures, tmp_path / "data")
    for name in ("top/005.png", "bottom/006.png"):
        (tmp_path / "data" / name).write_bytes(b"<svg/>")
    words = ["--images", tmp_path / "data", *SMALL, "train.steps=2", "images.bad=drop", "--out", tmp_path / "run"]
    ended = command("train", *words)
    assert ended.code == 0, ended.err
    assert "2 pictures that cannot be read left out; the first: " in " ".join(ended.err.split())
    facts = json.loads((tmp_path / "run" / "data" / "facts.json").read_text())
    assert facts["pictures"] == 112  # of 114 to train on, which six held out leave of 120


def test_b17_a_label_that_nothing_teaches_is_named_with_its_picture(command, pictures, tmp_path):
    valid = draw(tmp_path / "valid", 4)
    shutil.copytree(valid / "top", valid / "sideways")
    words = ["--images", pictures, "--valid-images", valid, *SMALL, "--out", tmp_path / "run"]
    told = refused(command, "train", *words)
    assert re.search(r"sideways.00.\.png, a validation picture: label: got 'sideways'; expected one that was", told)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (
            {"image": "none.png", "label": "a"},
            "got 'none.png' in row 2; expected a file beside t.jsonl; check the column",
        ),
        ({"image": "\0", "label": "a"}, "in row 2; expected a file beside t.jsonl"),
        (
            {"image": "0.png", "label": " "},
            "got nothing about '0.png' in row 2; expected something in the column label",
        ),
        ({"image": "0.png"}, "expected an object with the text 'label'"),
    ],
    ids=["no file", "no name", "no label", "no column"],
)
def test_b17_a_row_without_its_picture_or_label_is_named(command, tmp_path, row, says):
    Image.new("RGB", (8, 8)).save(tmp_path / "0.png")
    rows = [{"image": "0.png", "label": "b"}, row]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    assert says in refused(command, "train", "--images", tmp_path / "t.jsonl", *SMALL, "--out", tmp_path / "run")


def test_sizes_that_no_tensor_can_have_are_refused(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "manifest.json").unlink()
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps({**config, "image_size": 4 * 10**11}))
    with pytest.raises(CheckpointError, match="expected possible sizes; use the files that were saved together"):
        regard.load(tmp_path / "run")


def test_a_folder_that_holds_no_classes_says_how_it_should_look(command, pictures, tmp_path):
    told = refused(command, "train", "--images", pictures / "top", *SMALL, "--out", tmp_path / "run")
    assert "got a folder without folders in it; expected FOLDER/CLASS/PICTURE; make one folder a class" in told
    (tmp_path / "some" / "a").mkdir(parents=True)
    told = refused(command, "train", "--images", tmp_path / "some", *SMALL, "--out", tmp_path / "run")
    assert "some/a: got no picture; expected pictures of this class; put some there, or delete the folder." in told
    (tmp_path / "empty.tsv").write_text("image\tlabel\n", encoding="utf-8")
    told = refused(command, "train", "--images", tmp_path / "empty.tsv", *SMALL, "--out", tmp_path / "run")
    assert "empty.tsv: got no picture; expected files such as .png and .jpg; check the path." in told
    told = refused(command, "train", "--images", tmp_path / "none", *SMALL, "--out", tmp_path / "run")
    assert "none: got nothing there; expected a folder of classes, or a table of pictures; check the path." in told
    (tmp_path / "boxes.json").write_text("{}")
    told = refused(command, "train", "--images", tmp_path / "boxes.json", *SMALL, "--out", tmp_path / "run")
    assert "got a .json file; expected a folder of classes, or a table as .jsonl or .tsv; add family=detr" in told
    draw(tmp_path / "one", 1)
    told = refused(command, "train", "--images", tmp_path / "one", *SMALL, "--out", tmp_path / "run")
    assert "got 1 pictures; expected pictures to train and to measure on; check the folder." in told


def test_what_is_asked_of_the_wrong_model_is_refused(run, finished_run, command, tmp_path):
    assert "expected one that can translate; use another run" in refused(command, "translate", run)
    with pytest.raises(RunError, match="expected one that can read and write text"):
        _ = regard.load(run).source_tokenizer
    assert "got no file; expected pictures, or folders with some; name them." in refused(command, "classify", run)
    assert "got no picture in" in refused(command, "classify", run, tmp_path)
    with pytest.raises(RunError, match="expected one that can classify pictures"):
        _ = regard.load(finished_run).picture_classifier
    two = [tmp_path / "a", tmp_path / "b"]
    for file in two:
        file.write_text("text\n")
    told = refused(command, "classify", finished_run, *two)
    assert "FILE: got 2 files of texts; expected one; join them, or name one." in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["images.mean=[0.5]"],
            "mean: got [0.5]; expected three numbers, of red, green and blue, none of which divides",
        ),
        (["images.deviation=[0.5, 0, 1]"], "deviation: got [0.5, 0, 1]; expected three numbers"),
        (["images.augment.flip=1.5"], "images.augment.flip: got 1.5; expected at most 1.0; use 1.0 or less"),
        (["model.patch=3"], "patch: got 3 with image_size 8; expected a divisor of image_size; use 2"),
        (["images.fit=squash"], "images.fit: got 'squash'; expected one of crop, stretch"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_settings_that_make_no_sense_are_refused(command, pictures, tmp_path, words, says):
    assert says in refused(command, "train", "--images", pictures, *SMALL, *words, "--out", tmp_path / "run")


# The store -----------------------------------------------------------------------------------------------------------


def test_pictures_of_any_size_come_out_as_they_went_in(tmp_path):
    chance = np.random.default_rng(5)
    shapes = [(3, 4, 6), (3, 1, 1), (1, 7, 2), (3, 9, 9)]
    given = [chance.integers(0, 256, shape, np.uint8) for shape in shapes]
    write_pictures(tmp_path / "store", iter(given))
    found = PictureStore(tmp_path / "store")
    assert len(found) == 4
    for one, other in zip(found.rows(np.array([2, 0, 3, 1])), (given[row] for row in (2, 0, 3, 1)), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("name", ["pixels", "sizes", "meta.json"])
def test_a_store_that_is_not_whole_is_refused(tmp_path, name):
    write_pictures(tmp_path / "store", [np.zeros((3, 4, 4), np.uint8)])
    content = (tmp_path / "store" / name).read_bytes()
    (tmp_path / "store" / name).write_bytes(content[:-4])
    with pytest.raises(
        DataError, match=r"got (no whole store|files of other sizes); expected what write_pictures wrote"
    ):
        PictureStore(tmp_path / "store")


def test_look_draws_where_the_model_looks(run, command, pictures, tmp_path):
    file = pictures / "top" / "001.png"
    ended = command("look", run, file, "--out", tmp_path / "where.png")
    assert ended.code == 0, ended.err
    assert ended.out.split()[0] in CLASSES
    assert (tmp_path / "where.png").stat().st_size > 1000
    ended = command("look", run, file, "--out", tmp_path / "where.html")
    assert ended.code == 0, ended.err
    assert all(f"{name} " in ended.out for name in CLASSES)
    assert "data:image/png;base64," in (tmp_path / "where.html").read_text(encoding="utf-8")
    none = "expected none with {}, where it says nothing; leave it out."
    for words, heeded in (
        (("--cell", "1,1"), "any but a CNN with attention inside"),
        (("--language", "ko"), "a model that writes no captions"),
        (("--against", run), "a model that reads pictures"),
        (("--target", "a cat"), "a model that reads pictures"),
        (("--checkpoints",), "a model that reads pictures"),
    ):
        assert none.format(heeded) in refused(command, "look", run, file, *words, "--out", tmp_path / "a.html")
    assert none.format("a model that reads pictures") in refused(
        command, "look", run, file, "--layer", "1", "--out", tmp_path / "a.png"
    )
    told = refused(command, "look", run, file, "--cell", "here", "--out", tmp_path / "a.png")
    assert "--cell: got here; expected a row and a column, such as 3,4; write it so." in told
