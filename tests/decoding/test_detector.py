"""Finding objects: what is reported, in whose pixels, and that companions in a batch change nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from regard.decoding.detector import Detector, Picture, of_one_size
from regard.errors import CheckpointError, SettingError
from regard.families import detr
from regard.models.detr import Predictions
from regard.models.heads import Head
from regard.models.vocabulary import NO_TEXT

LABELS = ("cat", "dog")


class Says(nn.Module):
    """Every picture shows the same."""

    def __init__(self, likely: list[list[float]], boxes: list[list[float]]) -> None:
        super().__init__()
        self.said = Predictions(torch.tensor(likely).log()[None, None], torch.tensor(boxes)[None, None])
        self.modes: list[bool] = []

    def forward(self, images: Tensor, real: Tensor) -> Predictions:
        self.modes.append(self.training)
        assert real.all()
        return Predictions(*(one.expand(-1, len(images), -1, -1) for one in self.said))


def drawn(width: int = 20, height: int = 16, own: tuple[int, int] | None = None) -> Picture:
    return Picture(torch.randn(3, height, width), *(own or (width, height)))


def test_boxes_are_in_pixels_of_the_picture_itself_and_end_where_it_ends():
    """The model reads 20 × 16, the picture has 200 × 80."""
    likely = [[0.1, 0.8, 0.1], [0.7, 0.2, 0.1], [0.2, 0.2, 0.6]]
    model = Says(likely, [[0.5, 0.5, 0.2, 0.5], [0.1, 0.9, 0.4, 0.4], [0.5, 0.5, 0.5, 0.5]])
    (found,) = Detector(model, LABELS).detect([drawn(own=(200, 80))])
    assert [(one.label, one.query) for one in found] == [("dog", 0), ("cat", 1)]
    assert [one.score for one in found] == pytest.approx([0.8, 0.7])
    assert found[0].box == pytest.approx((80.0, 20.0, 120.0, 60.0))
    assert found[1].box == pytest.approx((0.0, 56.0, 60.0, 80.0))


@pytest.mark.parametrize(("threshold", "count"), [(0.0, 3), (0.15, 2), (0.75, 1), (0.85, 0), (1.0, 0)])
def test_what_is_not_surer_than_the_threshold_is_left_out(threshold, count):
    """ "No object" is no object, however sure."""
    likely = [[0.8, 0.1, 0.1], [0.1, 0.3, 0.6], [0.1, 0.05, 0.85]]
    model = Says(likely, [[0.5] * 4] * 3)
    (found,) = Detector(model, LABELS).detect([drawn()], threshold=threshold)
    assert [one.query for one in found] == [0, 1, 2][:count]


def test_as_sure_as_the_threshold_is_not_surer():
    model = Says([[0.5, 0.5, 0.0]], [[0.5] * 4])
    assert Detector(model, LABELS).detect([drawn()], threshold=0.5) == [[]]


def made(norm: str) -> nn.Module:
    config = replace(detr.TOY, backbone_norm=norm, norm_groups=2)
    model = detr.build(config, NO_TEXT, Head("detection", LABELS))
    for name, weight in model.named_parameters():
        nn.init.normal_(weight, 1.0 if "norm.weight" in name else 0.0, 0.3)
    return model


@pytest.mark.parametrize("norm", ["frozen", "batch", "group"])
@pytest.mark.parametrize("batch_pixels", [1, 700, 10**6])
def test_a_picture_s_objects_do_not_depend_on_its_companions(norm, batch_pixels):
    """Of four sizes, in no order; a batch of padded ones would change them, with any norm."""
    detector = Detector(made(norm), LABELS)
    pictures = [drawn(*sides) for sides in ((20, 16), (9, 33), (20, 16), (40, 24), (9, 33), (20, 16))]
    together = detector.detect(pictures, threshold=0.0, batch_pixels=batch_pixels)
    assert len(together) == len(pictures)
    for picture, found in zip(pictures, together, strict=True):
        (alone,) = detector.detect([picture], threshold=0.0)
        assert len(found) == len(alone) == detr.TOY.queries
        by_query = {one.query: one for one in alone}
        for one in found:
            assert one.label == by_query[one.query].label
            assert one.score == pytest.approx(by_query[one.query].score, abs=1e-5)
            assert one.box == pytest.approx(by_query[one.query].box, abs=1e-3)


def test_a_batch_has_one_size_and_no_more_pixels_than_it_may():
    pictures = [drawn(*sides) for sides in ((10, 10), (20, 10), (10, 10), (10, 20), (10, 10))]
    assert list(of_one_size(pictures, 200)) == [[0, 2], [4], [1], [3]]
    assert list(of_one_size(pictures, 1)) == [[0], [2], [4], [1], [3]]
    assert list(of_one_size([], 1)) == []


def test_the_model_is_in_evaluation_meanwhile_and_progress_is_told():
    model, done = Says([[0.8, 0.1, 0.1]], [[0.5] * 4]).train(), []
    Detector(model, LABELS).detect([drawn(), drawn(8, 8), drawn()], batch_pixels=320, progress=done.append)
    assert model.modes == [False] * 3
    assert model.training
    assert done == [1, 2, 3]


def test_nothing_shows_nothing():
    assert Detector(Says([[0.8, 0.1, 0.1]], [[0.5] * 4]), LABELS).detect([]) == []


def test_labels_that_are_not_the_model_s_are_refused():
    message = r'detector: got 1 labels with outputs .*; expected an output for each label and one for "no object"; use'
    with pytest.raises(CheckpointError, match=message):
        Detector(Says([[0.8, 0.1, 0.1]], [[0.5] * 4]), ("cat",)).detect([drawn()])


def test_a_threshold_is_a_probability():
    message = r"threshold: got 70\.0; expected a probability from 0 to 1; use 0\.5\."
    with pytest.raises(SettingError, match=message):
        Detector(Says([[0.8, 0.1, 0.1]], [[0.5] * 4]), LABELS).detect([drawn()], threshold=70.0)


def test_a_model_that_is_no_module_is_refused():
    with pytest.raises(TypeError, match="the model is a function, not a torch module"):
        Detector(lambda images, real: None, LABELS)
