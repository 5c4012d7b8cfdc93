"""Pictures varied at random: by hand, against Pillow, and by what must stay as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from regard.data.images import augmentation
from regard.data.images.augmentation import Augmentation, boxes_moved

STILL = {"flip": 0.0, "shift": 0.0}


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(6).integers(0, 256, (5, 3, 12, 16), np.uint8))


@pytest.fixture
def images(pixels) -> torch.Tensor:
    return pixels.float() / 255


def of_pillow(pixels: torch.Tensor, change) -> torch.Tensor:
    pictures = [change(Image.fromarray(one.permute(1, 2, 0).numpy())) for one in pixels]
    return torch.stack([torch.from_numpy(np.asarray(one).copy()).permute(2, 0, 1) for one in pictures]).float() / 255


def test_without_settings_nothing_changes(images):
    torch.testing.assert_close(Augmentation(**STILL).vary(images), images, rtol=0, atol=1e-6)


def test_mirrored_is_mirrored(images):
    torch.testing.assert_close(Augmentation(flip=1.0, shift=0.0).vary(images), images.flip(-1), rtol=0, atol=1e-5)


def test_about_as_many_are_mirrored_as_asked_for(images):
    torch.manual_seed(1)
    many = images[:1].expand(400, -1, -1, -1)
    found = Augmentation(flip=0.25, shift=0.0).vary(many)
    mirrored = int((found - many).abs().amax((1, 2, 3)).gt(0.01).sum())
    assert 65 <= mirrored <= 135  # four deviations of a binomial


def test_a_move_by_whole_pixels_moves_whole_pixels_and_grey_comes_in(images):
    maps = augmentation.affine(*(torch.full((5,), number) for number in (1.0, 0.0, 2 * 3 / 16, 0.0, 1.0, 0.0)))
    found = augmentation.moved(images, maps)
    torch.testing.assert_close(found[..., :13], images[..., 3:], rtol=0, atol=1e-4)
    torch.testing.assert_close(found[..., 13:], torch.full_like(found[..., 13:], 0.5), rtol=0, atol=1e-4)


def test_what_is_only_moved_is_not_softened(images):
    """Every pixel is one of the picture, or grey."""
    torch.manual_seed(4)
    found = Augmentation(flip=0.5, shift=0.4).vary(images)
    for one, picture in zip(found, images, strict=True):
        known = torch.cat((picture.flatten(1), torch.full((3, 1), 0.5)), 1)
        assert float((one.flatten(1)[:, :, None] - known[:, None]).abs().amin(2).max()) < 1e-4


def test_a_quarter_turn_turns_by_a_quarter():
    square = torch.rand(3, 3, 8, 8)
    none, one = torch.zeros(3), torch.ones(3)
    found = augmentation.moved(square, augmentation.affine(none, -one, none, one, none, none))
    torch.testing.assert_close(found, square.rot90(1, (2, 3)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("factor", [0.3, 1.0, 1.7])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (augmentation.brightness, ImageEnhance.Brightness),
        (augmentation.contrast, ImageEnhance.Contrast),
        (augmentation.colours, ImageEnhance.Color),
        (augmentation.sharpness, ImageEnhance.Sharpness),
    ],
)
def test_pillow_changes_colours_likewise(pixels, images, ours, theirs, factor):
    """To two of 255 steps: Pillow rounds in between."""
    found = ours(images, torch.full((5,), factor)).clamp(0, 1)
    wanted = of_pillow(pixels, lambda picture: theirs(picture).enhance(factor))
    torch.testing.assert_close(found, wanted, rtol=0, atol=2.5 / 255)


def test_pillow_posterises_solarises_and_stretches_likewise(pixels, images):
    five = torch.ones(5)
    wanted = of_pillow(pixels, lambda picture: ImageOps.posterize(picture, 3))
    torch.testing.assert_close(augmentation.posterised(images, 3 * five), wanted, rtol=0, atol=1e-6)
    wanted = of_pillow(pixels, lambda picture: ImageOps.solarize(picture, 100))
    torch.testing.assert_close(augmentation.solarised(images, 100 / 255 * five), wanted, rtol=0, atol=1e-6)
    wanted = of_pillow(pixels // 2 + 40, lambda picture: ImageOps.autocontrast(picture))
    found = augmentation.stretched((pixels // 2 + 40).float() / 255, five)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1.5 / 255)


def test_each_operation_leaves_numbers_that_a_picture_can_have(images):
    for number in range(len(augmentation.OPERATIONS)):
        for strength in (0.0, 0.5, 1.0):
            found = augmentation.OPERATIONS[number](images, torch.full((5,), strength)).clamp(0, 1)
            assert found.shape == images.shape
            assert bool(found.isfinite().all()), number


def test_a_share_of_the_pictures_loses_one_grey_box(images):
    torch.manual_seed(2)
    white = torch.ones(200, 3, 20, 30)
    found = augmentation.erased(white, 0.5)
    hidden = (found == 0.5).all(1)
    assert 65 <= int(hidden.flatten(1).any(1).sum()) <= 135
    for one in hidden[hidden.flatten(1).any(1)]:
        rows, columns = one.any(1), one.any(0)
        assert torch.equal(one, rows[:, None] & columns[None])  # a box and nothing else
        assert 0.005 <= float(one.float().mean()) <= 0.4


def test_mixed_pictures_are_weighted_like_their_labels(images):
    torch.manual_seed(3)
    labels = torch.arange(5)
    batch = Augmentation(mixup=0.4).mix(images, labels)
    expected = batch.share * images + (1 - batch.share) * images[batch.others]
    torch.testing.assert_close(batch.images, expected)
    assert sorted(batch.others.tolist()) == labels.tolist()
    assert Augmentation().mix(images, labels).others is None


def test_upside_down_is_upside_down(images):
    turned = Augmentation(flip=0, shift=0, upside=1).vary(images)
    torch.testing.assert_close(turned, images.flip(2), atol=1e-6, rtol=0)


def test_pictures_with_boxes_are_moved_only_where_that_is_asked_for(images):
    boxes = torch.tensor([[0.5, 0.5, 0.2, 0.2]])
    torch.manual_seed(2)
    for _ in range(5):
        same, still, _ = Augmentation(flip=0).vary_marked(images[:1], boxes)
        torch.testing.assert_close(same, images[:1], atol=1e-6, rtol=0)
        torch.testing.assert_close(still, boxes)
    moved = [Augmentation(flip=0).vary(images[:1]) for _ in range(5)]
    assert any(not torch.allclose(one, images[:1], atol=1e-3) for one in moved)


def around(image: torch.Tensor) -> torch.Tensor:
    """The box of what is bright: centre and sides, as shares."""
    height, width = image.shape[1:]
    rows, columns = (torch.nonzero((image[0] > 0.75).any(axis))[:, 0] for axis in (1, 0))
    low = torch.stack((columns.min() / width, rows.min() / height))
    high = torch.stack(((columns.max() + 1) / width, (rows.max() + 1) / height))
    return torch.cat(((low + high) / 2, high - low))


@pytest.mark.parametrize(
    "settings", [{"flip": 1}, {"upside": 1}, {"shift": 0.3}, {"zoom": 0.4}, {"flip": 0.5, "shift": 0.2, "zoom": 0.3}]
)
def test_boxes_go_where_their_objects_go(settings):
    image = torch.zeros(1, 3, 60, 80)
    image[:, :, 20:32, 50:66] = 1
    box = around(image[0])[None]
    assert box[0].tolist() == pytest.approx([58 / 80, 26 / 60, 16 / 80, 12 / 60])
    varied = Augmentation(**{"flip": 0, "shift": 0, **settings})
    torch.manual_seed(5)
    for _ in range(30):
        found, moved, seen = varied.vary_marked(image, box)
        if bool(seen):
            # to a pixel at either end, as edges between pixels are soft
            torch.testing.assert_close(moved[0], around(found[0]), atol=2 / 60, rtol=0)


def test_a_box_is_cut_off_at_the_edge_and_given_up_where_less_than_a_quarter_is_left():
    boxes = torch.tensor([[0.3, 0.5, 0.2, 0.2], [0.1, 0.5, 0.2, 0.4], [0.75, 0.5, 0.2, 0.2]])
    left = torch.tensor([[1.0, 0, 0.4], [0, 1.0, 0]])  # all goes left by 0.2 of the width: sides run from −1 to 1
    moved, seen = boxes_moved(boxes, left)
    torch.testing.assert_close(moved[0], torch.tensor([0.1, 0.5, 0.2, 0.2]))
    torch.testing.assert_close(moved[2], torch.tensor([0.55, 0.5, 0.2, 0.2]))
    assert seen.tolist() == [True, False, True]
    nothing = torch.tensor([[0.1, 0.5, 0.0, 0.2]])  # a box without an area, moved out
    assert not boxes_moved(nothing, left)[1].any()
    for share, stays in ((0.24, False), (0.26, True)):
        beyond = torch.tensor([[0.4, 0.5, 0.2, 0.2]])  # its right edge, at 0.5, goes to 0.2 · share
        away = torch.tensor([[1.0, 0, 2 * (0.5 - 0.2 * share)], [0, 1.0, 0]])
        cut, (kept,) = boxes_moved(beyond, away)
        assert bool(kept) is stays
        torch.testing.assert_close(cut[0], torch.tensor([0.1 * share, 0.5, 0.2 * share, 0.2]))


def test_the_same_chance_gives_the_same_pictures(images):
    settings = Augmentation(zoom=0.2, turn=20, colour=0.3, operations=2, erase=0.5, mixup=0.2)

    def drawn(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return settings.mix(settings.vary(images), torch.arange(5)).images

    assert torch.equal(drawn(7), drawn(7))
    assert not torch.equal(drawn(7), drawn(8))
