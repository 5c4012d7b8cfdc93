"""DETR by its laws: what its queries and cells see, what they do not, and what each layer says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from regard.families import detr
from regard.families.detr import TOY
from regard.layers.grid_position import grid_positions
from regard.looking.recording import capture
from regard.models.detr import BoxHead, Detr
from regard.models.heads import Head
from regard.models.resnet import ResNetShape
from regard.models.vocabulary import NO_TEXT

THINGS = Head("detection", ("cell", "plate", "other"))
EXACT = {"rtol": 0, "atol": 1e-10}


def made(config=TOY, std: float = 0.3) -> Detr:
    """In float64, every number random, in evaluation."""
    model = detr.build(config, NO_TEXT, THINGS).double().eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_((1.0 if "norm.weight" in name else 0.0) + std * torch.randn_like(weight))
    return model


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def whole(images: Tensor) -> Tensor:
    return torch.ones(len(images), *images.shape[2:], dtype=torch.bool)


@pytest.fixture
def model() -> Detr:
    return made()


@pytest.fixture
def ragged() -> tuple[Tensor, Tensor]:
    """Three grids of 3 × 4 cells: all, 2 × 3, 3 × 1."""
    seen = torch.zeros(3, 3, 4, dtype=torch.bool)
    for mask, (rows, columns) in zip(seen, ((3, 4), (2, 3), (3, 1)), strict=True):
        mask[:rows, :columns] = True
    return drawn(3, 16, 3, 4), seen


def test_there_is_a_class_and_a_box_for_every_query_and_no_object_is_the_last_class(model):
    images = drawn(2, 3, 20, 33)
    found = model(images, whole(images))
    assert found.logits.shape == (1, 2, TOY.queries, len(THINGS.labels) + 1)
    assert found.boxes.shape == (1, 2, TOY.queries, 4)
    assert found.boxes.min() > 0
    assert found.boxes.max() < 1


def test_every_layer_says_what_a_model_of_so_many_layers_says(model):
    """The norm is for the heads alone: the next layer goes on from the state before it."""
    images = drawn(2, 3, 20, 33)
    every = model(images, whole(images), every=True)
    assert len(every.logits) == TOY.layers
    for depth in range(1, TOY.layers + 1):
        shallow = made(replace(TOY, decoder_layers=depth))
        own = model.state_dict()
        shallow.load_state_dict({name: own[name] for name in shallow.state_dict()})
        found = shallow(images, whole(images))
        torch.testing.assert_close(every.logits[depth - 1], found.logits[0], **EXACT)
        torch.testing.assert_close(every.boxes[depth - 1], found.boxes[0], **EXACT)


def test_the_stacks_are_torchs_with_marks_added_by_hand(model):
    """Both stacks with torch's attention in place of ours, and positions where the paper's figure 10 has them."""
    grid, seen = drawn(1, 16, 3, 4), torch.ones(1, 3, 4, dtype=torch.bool)
    positions = grid_positions(seen, 16, torch.float64)

    def ask(layer, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        torchs = nn.MultiheadAttention(16, layer.heads, batch_first=True, dtype=torch.float64)
        own = (layer.query, layer.key, layer.value)
        torchs.in_proj_weight.data = torch.cat([one.weight for one in own])
        torchs.in_proj_bias.data = torch.cat([one.bias for one in own])
        torchs.out_proj.load_state_dict(layer.output.state_dict())
        return torchs(query, key, value, need_weights=False)[0]

    x = grid.flatten(2).mT
    for block in model.encoder.blocks:
        x = block.around_self_attention.norm(x + ask(block.self_attention, x + positions, x + positions, x))
        x = block.around_feed_forward.norm(x + block.feed_forward(x))
    memory, queries = x, model.decoder.queries[None]
    x = torch.zeros_like(queries)
    for block in model.decoder.blocks:
        x = block.around_self_attention.norm(x + ask(block.self_attention, x + queries, x + queries, x))
        y = ask(block.cross_attention, x + queries, memory + positions, memory)
        x = block.around_cross_attention.norm(x + y)
        x = block.around_feed_forward.norm(x + block.feed_forward(x))
    torch.testing.assert_close(model.ask(grid, seen)[0], model.decoder.final_norm(x), **EXACT)


def test_what_stands_in_padding_changes_nothing(model, ragged):
    grid, seen = ragged
    noise = torch.where(seen[:, None], grid, 100 * drawn(*grid.shape))
    assert not torch.equal(noise, grid)
    torch.testing.assert_close(model.ask(noise, seen, every=True), model.ask(grid, seen, every=True), **EXACT)


def test_a_grid_says_the_same_alone_and_beside_larger_ones(model, ragged):
    grid, seen = ragged
    together = model.ask(grid, seen)
    for image, (rows, columns) in enumerate(((3, 4), (2, 3), (3, 1))):
        alone = model.ask(grid[image : image + 1, :, :rows, :columns], seen[image : image + 1, :rows, :columns])
        torch.testing.assert_close(together[:, image : image + 1], alone, **EXACT)


def test_where_a_cell_stands_matters(model):
    grid, seen = drawn(1, 16, 3, 4), torch.ones(1, 3, 4, dtype=torch.bool)
    assert not torch.allclose(model.ask(grid.flip(2), seen), model.ask(grid, seen), atol=1e-3)
    assert not torch.allclose(model.ask(grid.flip(3), seen), model.ask(grid, seen), atol=1e-3)


def test_queries_in_another_order_answer_in_that_order(model):
    images, order = drawn(1, 3, 20, 20), torch.tensor([3, 0, 4, 1, 2])
    before = model(images, whole(images)).logits
    model.decoder.queries.data = model.decoder.queries.data[order]
    torch.testing.assert_close(model(images, whole(images)).logits, before[:, :, order], **EXACT)


def test_a_cell_goes_by_its_first_pixel(model):
    """Cells of 8 pixels: of 24 columns 9 are real, and the second cell begins with the ninth."""
    assert TOY.shape.cell == 8
    real = torch.zeros(1, 16, 24, dtype=torch.bool)
    real[:, :, :9] = True
    assert model.see(drawn(1, 3, 16, 24), real)[1].tolist() == [[[True, True, False]] * 2]
    real[:, :, 8:] = False
    assert model.see(drawn(1, 3, 16, 24), real)[1].tolist() == [[[True, False, False]] * 2]


def test_all_attention_can_be_looked_at(model):
    images, real = drawn(2, 3, 16, 24), torch.ones(2, 16, 24, dtype=torch.bool)
    real[1, 8:] = False
    unwatched = model(images, real)
    with capture(model) as trace:
        watched = model(images, real)
    torch.testing.assert_close(watched.logits, unwatched.logits, **EXACT)
    for found, shape in ((trace.encoder, (6, 6)), (trace.decoder, (5, 5)), (trace.cross, (5, 6))):
        assert found.shape == (TOY.layers, 2, TOY.heads, *shape)
        torch.testing.assert_close(found.sum(-1), torch.ones(found.shape[:-1], dtype=torch.float64), **EXACT)
    assert trace.cross[:, 1, :, :, 3:].count_nonzero() == 0
    assert trace.encoder[:, 1, :, :3, 3:].count_nonzero() == 0


def test_everything_learns(model):
    """But for the decoder's first attention: what it looks at is zero everywhere, so it is all one where it looks."""
    images = drawn(2, 3, 20, 33)
    found = model(images, whole(images), every=True)  # without dropout
    (found.logits.square().sum() + found.boxes.square().sum()).backward()
    idle = {name for name, weight in model.named_parameters() if weight.grad.abs().max() < 1e-12}
    first = "decoder.blocks.0.self_attention"
    keys = {name for name, _ in model.named_parameters() if name.endswith("attention.key.bias")}  # softmax undoes them
    assert idle - keys == {f"{first}.{one}" for one in ("query.weight", "query.bias", "key.weight", "value.weight")}


def test_a_box_by_hand():
    """relu(relu(1·2)·3) = 6 and four times σ(6·0 + b): b = ln 3 gives ¾."""
    head = BoxHead(1)
    with torch.no_grad():
        for layer, weight in zip(head.layers, (2.0, 3.0, 0.0), strict=True):
            layer.weight.fill_(weight)
            layer.bias.zero_()
        head.layers[2].bias.copy_(torch.tensor([0.0, 3.0, 1.0, 1 / 3]).log())
        assert head(torch.ones(1, 1)).tolist() == [pytest.approx([0.0, 0.75, 0.5, 0.25])]
        head.layers[2].weight.fill_(1.0)
        head.layers[2].bias.fill_(-6.0)
        head.layers[1].weight.neg_()
        assert head(torch.ones(1, 1)).tolist() == [pytest.approx([1 / (1 + torch.tensor(6.0).exp().item())] * 4)]
        head.layers[1].weight.neg_()
        assert head(torch.ones(1, 1)).tolist() == [pytest.approx([0.5] * 4)]
        assert head(-torch.ones(1, 1)).tolist() == [pytest.approx([1 / (1 + torch.tensor(6.0).exp().item())] * 4)]


def test_fresh_matrices_are_drawn_as_the_original_draws_them():
    """From ±√(6 / (d_in + d_out)); queries, keys and values are one matrix of 3·64 rows there."""
    config = replace(TOY, d_model=64, d_ff=128)
    model = detr.build(config, NO_TEXT, THINGS)
    block = model.decoder.blocks[0]
    bounds = {
        block.cross_attention.query: 64 + 192,
        block.self_attention.value: 64 + 192,
        block.self_attention.output: 64 + 64,
        block.feed_forward.inner: 64 + 128,
    }
    for linear, ends in bounds.items():
        assert linear.weight.abs().max().item() == pytest.approx((6 / ends) ** 0.5, rel=0.02)
    assert block.cross_attention.key.bias.count_nonzero() == 0
    assert model.decoder.queries.std().item() == pytest.approx(1.0, abs=0.15)


def test_an_image_in_float32_is_read_by_a_model_in_bfloat16(model):
    images = torch.randn(1, 3, 16, 16)
    found = model.bfloat16()(images, whole(images))
    assert found.boxes.dtype == torch.float32


def test_the_backbone_is_of_the_shape_that_the_settings_say(model):
    assert model.backbone.shape == ResNetShape((1, 1), (8, 16), "basic", stem_width=8)
