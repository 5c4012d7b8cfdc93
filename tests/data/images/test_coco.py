"""Files of boxes: what is sound is read, what is amiss is named with its place."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from regard.data.images.coco import Marked, read_coco
from regard.errors import DataError

CLASSES = [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]


def written(tmp_path, boxes, **changes):
    """A file of one picture of 20 × 10 pixels, a.png, whose id is 5."""
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png")
    table = {
        "images": [{"id": 5, "file_name": "a.png", "width": 20, "height": 10}],
        "annotations": [{"image_id": 5, **box} for box in boxes],
        "categories": CLASSES,
        **changes,
    }
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(table), encoding="utf-8")
    return path


def test_boxes_become_corners_within_their_picture(tmp_path):
    boxes = [
        {"category_id": 7, "bbox": [1, 2, 3, 4]},
        {"category_id": 3, "bbox": [-0.6, 5.5, 21, 5], "iscrowd": 1},
    ]
    (picture,), labels, problems = read_coco(written(tmp_path, boxes))
    assert labels == ["cat", "dog"]
    assert problems == []
    assert (picture.file, picture.width, picture.height) == (tmp_path / "a.png", 20, 10)
    assert picture.objects == (Marked("dog", (1, 2, 4, 6)), Marked("cat", (0, 5.5, 20, 10), True))


def test_pictures_may_lie_in_a_folder_of_their_own(tmp_path):
    path = written(tmp_path, [])
    (tmp_path / "images").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "images" / "a.png")
    assert read_coco(path)[0][0].file == tmp_path / "images" / "a.png"


@pytest.mark.parametrize(
    ("box", "says"),
    [
        (
            {"category_id": 4, "bbox": [1, 1, 2, 2]},
            "got class 4 of box 1; expected one of those under categories; correct",
        ),
        (
            {"category_id": 3},
            "got box 1 without four numbers; expected x, y, width, height; correct it, or leave it out",
        ),
        ({"category_id": 3, "bbox": [1, 1, 2]}, "got box 1 without four numbers"),
        ({"category_id": 3, "bbox": [1, 1, "wide", 2]}, "got box 1 without four numbers"),
        (
            {"category_id": 3, "bbox": [15, 1, 9, 2]},
            "got box 1, [15.0, 1.0, 9.0, 2.0], in a picture of 20 × 10 pixels; exp",
        ),
        ({"category_id": 3, "bbox": [-3, 1, 9, 2]}, "expected a box with an area, inside its picture; correct it, or"),
        ({"category_id": 3, "bbox": [1, 1, 0, 2]}, "expected a box with an area"),
        ({"category_id": 3, "bbox": [1, 1, -4, 2]}, "expected a box with an area"),
        ({"category_id": 3, "bbox": [1, 1, float("nan"), 2]}, "expected a box with an area"),
        ({"category_id": 3, "bbox": [1, 1, float("inf"), 2]}, "expected a box with an area"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_b17_a_box_that_cannot_be_is_named_or_left_out(tmp_path, box, says):
    path = written(tmp_path, [box, {"category_id": 3, "bbox": [1, 1, 2, 2]}])
    with pytest.raises(DataError) as raised:
        read_coco(path)
    assert says in str(raised.value)
    (picture,), _, problems = read_coco(path, drop=True)
    assert len(picture.objects) == 1
    assert says in problems[0]


def test_b17_a_box_of_no_picture_is_named(tmp_path):
    path = written(tmp_path, [{"image_id": 9, "category_id": 3, "bbox": [1, 1, 2, 2]}])
    with pytest.raises(DataError, match=r"got no picture 9 for box 1; expected one of those under images; correct it"):
        read_coco(path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"images": 3}, r"got no COCO file \(.*; expected JSON with images .id, file_name, width, height."),
        ({"images": [{"id": 1}]}, "got no COCO file"),
        ({"images": [{"id": 1, "file_name": "a.png", "width": "w", "height": 1}]}, "got no COCO file"),
        ({"categories": [[]]}, "got no COCO file"),
        ({"annotations": [3]}, r"got no COCO file .*no object but 3"),
        ({"images": [], "annotations": []}, "got no picture or no class; expected some of both; check the file"),
        (
            {"images": [{"id": 5, "file_name": "b.png", "width": 1, "height": 1}]},
            r"got 'b\.png'; expected a file beside it",
        ),
        (
            {"images": [{"id": 5, "file_name": "\0", "width": 1, "height": 1}]},
            "expected a file beside it, or in images",
        ),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_what_is_no_such_file_is_named(tmp_path, changes, says):
    with pytest.raises(DataError, match=says):
        read_coco(written(tmp_path, [], **changes))


def test_a_file_that_is_no_json_or_not_there_is_named(tmp_path):
    (tmp_path / "a.json").write_bytes(b"[" * 100_000)
    with pytest.raises(DataError, match="got no COCO file"):
        read_coco(tmp_path / "a.json")
    with pytest.raises(DataError, match="got No such file or directory; expected a file of marked pictures; check the"):
        read_coco(tmp_path / "none.json")
