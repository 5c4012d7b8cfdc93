"""Where a model looks in a picture: shares of cells by hand, and pictures of them."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from regard.data.images.preparation import KEPT, Preparation
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.decoding.settings import DecodingSettings
from regard.errors import RunError, SettingError
from regard.families import captioner, detr, resnet, vit
from regard.looking import picture_looks
from regard.looking.figures import save
from regard.looking.page.write import page
from regard.looking.picture_looks import looks_at_picture
from regard.looking.seeing import Glance, lit, see, seen
from regard.models.heads import LANGUAGE, Head
from regard.models.public import Fit
from regard.models.vocabulary import NO_TEXT
from regard.runs.model import Model

CLASSES = Head("classification", ("cat", "dog"))
LOOKING = replace(resnet.TOY, attention=(1, 2), heads=2, stem="small")


@pytest.fixture
def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(3).integers(0, 256, (16, 16, 3), np.uint8))


def opened(family, config, head, preparation, tokenizers=()) -> Model:
    vocabulary = family.vocabulary(*(one.size for one in tokenizers), shared=True, roles={}) if tokenizers else NO_TEXT
    module = family.build(config, vocabulary, head).eval().requires_grad_(False)
    name = family.__name__.rpartition(".")[2]
    settings = DecodingSettings(beam=2, max_extra=5)
    return Model(Path(name), name, config, module, head, tokenizers, settings, Fit((), ()), preparation)


def captioning(decoder: str) -> Model:
    """One that knows two languages."""
    tokenizer = train_tokenizer(["a dog", "two cats"] * 20, TokenizerSettings(size=300))
    tokenizer, _ = tokenizer.extended(["<2en>", "<2de>"])
    config = replace(captioner.TOY, decoder=decoder, heads=2)
    return opened(captioner, config, LANGUAGE, Preparation(16), (tokenizer, tokenizer))


def test_of_vit_it_is_the_rollout_of_the_class_token(picture):
    """Ã_2 Ã_1 with Ã = (I + mean of the heads) / 2, its first row without the class token itself."""
    model = opened(vit, replace(vit.TOY, image_size=16), CLASSES, Preparation(16))
    layers = []
    for layer in model.module.attentions()["encoder"]:
        layer.recorder = lambda weights: layers.append(weights[0].mean(0))
    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None]
    model.module.classify(model.preparation.images(pixels))
    for layer in model.module.attentions()["encoder"]:
        layer.recorder = None
    first, second = ((torch.eye(17) + one) / 2 for one in layers)
    row = (second @ first)[0, 1:]
    (glance,) = see(model, picture).glances
    torch.testing.assert_close(glance.cells.flatten(), row / row.sum(), rtol=0, atol=1e-6)
    assert glance.title.split()[0] in CLASSES.labels


def test_of_a_cnn_it_is_the_attention_from_a_cell(picture):
    model = opened(resnet, replace(LOOKING, image_size=16), CLASSES, Preparation(16))
    sight = see(model, picture, cell=(1, 2))
    assert [glance.cells.shape for glance in sight.glances] == [(16, 16), (8, 8)]
    for glance in sight.glances:
        assert float(glance.cells.sum()) == pytest.approx(1, abs=1e-5)
    seen_by = []
    layer = model.module.attentions()["encoder"][1]
    layer.recorder = seen_by.append
    model.module.classify(model.preparation.images(torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None]))
    layer.recorder = None
    expected = seen_by[0][0].mean(0)[1 * 8 + 2].view(8, 8)
    torch.testing.assert_close(sight.glances[1].cells, expected, rtol=0, atol=1e-7)
    assert not torch.equal(expected, seen_by[0][0].mean(0)[2 * 8 + 1].view(8, 8))
    middle = see(model, picture).glances[1]
    assert middle.title == "attention 2, from 4,4"
    assert not torch.equal(middle.cells, sight.glances[1].cells)


@pytest.mark.parametrize("decoder", ["recurrent", "transformer"])
def test_of_a_captioner_it_is_each_word_s_attention(picture, decoder):
    model = captioning(decoder)
    sight = see(model, picture, language="de")
    assert "<2de>" in sight.glances[0].title
    (found,) = model.captioner.caption([picture], model.decoding, "de")
    assert len(sight.glances) == len(found.ids) + 1  # and the end
    for glance in sight.glances:
        assert glance.cells.shape == (2, 2)
        assert float(glance.cells.sum()) == pytest.approx(1, abs=1e-5)


def test_of_a_detector_it_is_each_query_s_attention_with_its_box():
    wide = Image.fromarray(np.random.default_rng(4).integers(0, 256, (24, 40, 3), np.uint8))
    preparation = Preparation(24, KEPT, longest=60)
    model = opened(detr, detr.TOY, Head("detection", ("cell",)), preparation)
    model.module.class_head.bias.data.copy_(torch.tensor([9.0, -9.0]))  # every query is sure
    torch.nn.init.normal_(model.module.decoder.queries, std=20.0)
    seen_by = []
    layer = model.module.attentions()["cross"][-1]
    layer.recorder = seen_by.append
    model.detect([wide], 0.0)
    layer.recorder = None
    weights = seen_by[0][0].mean(0)
    assert float((weights[0] - weights[1]).abs().max()) > 1e-3
    sight = see(model, wide)
    assert len(sight.glances) == detr.TOY.queries
    for glance in sight.glances:
        torch.testing.assert_close(glance.cells.flatten(), weights[glance.objects[0].query], rtol=0, atol=1e-6)
    for glance in sight.glances:
        assert glance.cells.shape == (3, 5)  # 24 × 40 pixels in cells of 8
        assert float(glance.cells.sum()) == pytest.approx(1, abs=1e-5)
        assert len(glance.objects) == 1


def test_a_picture_keeps_its_colours_where_it_was_looked_at():
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[..., 0] = 200
    shown = lit(picture, np.array([[1.0, 0.0], [0.0, 0.0]]))
    assert shown[0, 0].tolist() == [200, 0, 0]
    pale = shown[3, 3]
    assert pale.min() == pale.max() > 150


def test_it_becomes_a_picture(picture, tmp_path):
    sight = see(opened(resnet, replace(LOOKING, image_size=16), CLASSES, Preparation(16)), picture)
    for name in ("a.png", "a.svg"):
        save(seen(sight), tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    many = replace(sight, glances=tuple(Glance(str(n), sight.glances[1].cells) for n in range(7)))
    assert len(seen(many).axes) == 10


# For the page --------------------------------------------------------------------------------------------------------


def shown_in(look) -> Image.Image:
    with Image.open(io.BytesIO(look.source.picture)) as image:
        return image.convert("RGB")


@pytest.mark.parametrize("decoder", ["recurrent", "transformer"])
def test_a_page_s_look_at_a_caption_has_its_words_over_the_cells(picture, decoder):
    model = captioning(decoder)
    (look,) = looks_at_picture(model, picture, "de")
    (found,) = model.captioner.caption([picture], model.decoding, "de")
    assert look.text == found.text
    assert (look.source.rows, look.source.columns, look.source.before) == (2, 2, ())
    assert len(look.target) == len(look.fed) == look.attention.cross.shape[2] == len(found.ids) + 1
    means = look.attention.cross.mean((0, 1))
    for row, glance in zip(means, see(model, picture, "de").glances, strict=True):
        torch.testing.assert_close(row, glance.cells.flatten())
    # what the search says of its best caption, without the length penalty
    assert sum(look.log_probabilities) == pytest.approx(found.n_best[0].log_probability, abs=1e-4)
    assert shown_in(look).tobytes() == picture.tobytes()
    assert len(page([look], "single", "a picture")) > 10_000


def test_a_page_s_look_at_a_class_has_the_class_token_before_the_patches(picture):
    model = opened(vit, replace(vit.TOY, image_size=16), CLASSES, Preparation(16))
    (look,) = looks_at_picture(model, picture)
    assert (look.source.rows, look.source.columns, len(look.source.before)) == (4, 4, 1)
    assert look.attention.encoder.shape == (2, 4, 17, 17)
    assert sum(look.classes.values()) == pytest.approx(1, abs=1e-5)
    (glance,) = see(model, picture).glances
    row = look.summaries["rollout"][0, 1:]
    torch.testing.assert_close(row / row.sum(), glance.cells.flatten())
    assert max(look.classes, key=look.classes.get) == glance.title.split()[0]


def test_a_page_s_looks_at_attention_inside_a_cnn_are_one_for_each_grid(picture):
    model = opened(resnet, replace(LOOKING, image_size=16), CLASSES, Preparation(16))
    looks = looks_at_picture(model, picture)
    assert [look.attention.encoder.shape for look in looks] == [(1, 2, 256, 256), (1, 2, 64, 64)]
    glances = see(model, picture, cell=(1, 2)).glances
    for look, glance, side in zip(looks, glances, (16, 8), strict=True):
        torch.testing.assert_close(look.attention.encoder[0].mean(0)[side + 2], glance.cells.flatten())
    assert len(page(looks, "models", "a picture")) > 100_000


def test_a_page_s_look_at_objects_has_their_queries_and_frames():
    wide = Image.fromarray(np.full((24, 40, 3), 255, np.uint8))
    model = opened(detr, detr.TOY, Head("detection", ("cell",)), Preparation(24, KEPT, longest=60))
    model.module.class_head.bias.data.copy_(torch.tensor([9.0, -9.0]))
    torch.nn.init.normal_(model.module.decoder.queries, std=20.0)
    (look,) = looks_at_picture(model, wide)
    glances = see(model, wide).glances
    assert look.target.labels == [glance.title for glance in glances]
    assert look.attention.encoder.shape == (2, 4, 15, 15)
    for row, glance in zip(look.attention.cross[-1].mean(0), glances, strict=True):
        torch.testing.assert_close(row, glance.cells.flatten())
    framed = np.asarray(shown_in(look))
    assert framed.shape[1] / framed.shape[0] == pytest.approx(40 / 24)
    left, top, _, bottom = glances[0].objects[0].box
    scale = framed.shape[1] / 40
    middle = framed[round((top + bottom) / 2 * scale), min(round(left * scale), framed.shape[1] - 1)]
    assert middle.min() < 200  # on the frame's left side, where the picture is white
    model.module.class_head.bias.data.copy_(torch.tensor([-9.0, 9.0]))
    (nothing,) = looks_at_picture(model, wide)
    assert nothing.target is None
    assert page([nothing], "single", "a picture")


def test_of_many_cells_a_page_has_the_mean_of_the_heads_or_is_refused(picture, monkeypatch):
    model = opened(vit, replace(vit.TOY, image_size=16), CLASSES, Preparation(16))
    whole = looks_at_picture(model, picture)[0].attention.encoder
    monkeypatch.setattr(picture_looks, "AT_MOST", whole.numel() - 1)
    torch.testing.assert_close(looks_at_picture(model, picture)[0].attention.encoder, whole.mean(1, keepdim=True))
    monkeypatch.setattr(picture_looks, "AT_MOST", whole.numel() // 4 - 1)
    told = r"too many cells for a page, and no object; expected at most .* of them; use --out FILE\.png, or a smaller"
    with pytest.raises(RunError, match=told):
        looks_at_picture(model, picture)


# What goes wrong -----------------------------------------------------------------------------------------------------


def test_what_cannot_be_seen_is_said(picture):
    with pytest.raises(
        RunError, match="got a model that has no attention to a picture; expected one that has some; use a"
    ):
        see(opened(resnet, resnet.TOY, CLASSES, Preparation(8)), picture)
    model = opened(resnet, replace(LOOKING, image_size=16), CLASSES, Preparation(16))
    with pytest.raises(
        SettingError, match=r"--cell: got 9,9; expected a row and a column below 8; use 4,4 for the middle"
    ):
        see(model, picture, cell=(9, 9))
