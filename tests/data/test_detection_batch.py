"""Images and their objects as one batch."""

from __future__ import annotations

import pytest
import torch

from regard.data.images.detection_batch import detection_batch
from regard.errors import DataError


def test_each_image_stands_in_the_upper_left_corner_and_the_rest_is_no_image():
    images = [torch.ones(3, 2, 5), 2 * torch.ones(3, 4, 3)]
    boxes = [torch.tensor([[0.5, 0.5, 1.0, 1.0]]), torch.empty(0, 4)]
    batch = detection_batch(images, [torch.tensor([1]), torch.empty(0, dtype=torch.long)], boxes)
    assert batch.images.shape == (2, 3, 4, 5)
    assert batch.images[0, 0].tolist() == [[1.0] * 5] * 2 + [[0.0] * 5] * 2
    assert batch.images[1, 2].tolist() == [[2.0] * 3 + [0.0] * 2] * 4
    assert torch.equal(batch.real, batch.images[:, 0] > 0)


def test_objects_come_back_image_by_image():
    labels = [torch.tensor([2, 0]), torch.tensor([], dtype=torch.long), torch.tensor([1])]
    boxes = [torch.rand(2, 4), torch.empty(0), torch.rand(1, 4)]
    batch = detection_batch([torch.ones(3, 2, 2)] * 3, labels, boxes)
    assert batch.counts == (2, 0, 1)
    for (own, around), label, box in zip(batch.objects(), labels, boxes, strict=True):
        assert torch.equal(own, label)
        assert torch.equal(around, box.reshape(-1, 4))


def test_the_objects_count_and_none_is_one():
    """A batch of images without objects teaches "no object": the loop must not pass over it."""
    empty = torch.empty(0, dtype=torch.long)
    image = torch.ones(3, 2, 2)
    assert detection_batch([image], [torch.tensor([1, 1])], [torch.rand(2, 4)]).target_tokens == 2
    assert detection_batch([image], [empty], [torch.empty(0, 4)]).target_tokens == 1


def test_a_label_without_a_box_is_named():
    message = r"image 2: got 1 labels and 2 boxes; expected a box for every label; correct its annotations\."
    labels = [torch.tensor([1, 1]), torch.tensor([1])]
    with pytest.raises(DataError, match=message):
        detection_batch([torch.ones(3, 2, 2)] * 2, labels, [torch.rand(2, 4)] * 2)
