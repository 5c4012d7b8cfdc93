"""What stands on top of a stack: by hand, and by which tokens it reads."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from regard.errors import SettingError
from regard.layers.norm import LayerNorm
from regard.models.heads import (
    Head,
    Scale,
    TextHead,
    TokenHead,
    Transform,
    first_token,
    last_end,
    last_token,
    reader_head,
)

HIDDEN = torch.arange(24.0).view(3, 4, 2)
IDS = torch.tensor([[7, 2, 8, 2], [7, 2, 1, 1], [1, 1, 7, 9]])  # 1 is padding, 2 ends a text
CLASSES = Head("classification", ("no", "yes", "perhaps"))


def test_a_head_is_of_a_known_kind():
    expected = (
        r"head: got 'words'; expected one of language, classification, tokens, detection, none; use one of these\."
    )
    with pytest.raises(SettingError, match=expected):
        Head("words")


@pytest.mark.parametrize("kind", ["classification", "tokens"])
def test_classes_are_two_or_more(kind):
    expected = r"head: got 1 labels; expected two classes or more; check the column of labels\."
    with pytest.raises(SettingError, match=expected):
        Head(kind, ("alone",))


def test_a_detector_finds_one_class_or_more():
    assert Head("detection", ("alone",)).labels == ("alone",)
    with pytest.raises(SettingError, match=r"head: got 0 labels; expected a class or more; check the column of"):
        Head("detection")


def test_each_way_of_picking_a_state_picks_its_own():
    assert first_token(HIDDEN, IDS).tolist() == [[0, 1], [8, 9], [16, 17]]
    assert last_token(1)(HIDDEN, IDS).tolist() == [[6, 7], [10, 11], [22, 23]]
    assert last_token(None)(HIDDEN, IDS).tolist() == [[6, 7], [14, 15], [22, 23]]
    assert last_end(2)(HIDDEN, IDS)[:2].tolist() == [[6, 7], [10, 11]]


def test_a_text_of_padding_alone_is_read_at_its_first_place():
    assert last_token(1)(HIDDEN[:1], torch.ones(1, 4, dtype=torch.long)).tolist() == [[0, 1]]


def filled(head: TextHead) -> TextHead:
    with torch.no_grad():
        if head.dense is not None:
            head.dense.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
            head.dense.bias.copy_(torch.tensor([0.0, 1.0]))
        if head.output is not None:
            head.output.weight.copy_(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))
            if head.output.bias is not None:
                head.output.bias.copy_(torch.tensor([0.0, 10.0]))
    return head


def test_the_classes_of_a_text_by_hand():
    """State (0, 1): tanh(0) and tanh(2 · 1 + 1)."""
    pooled = math.tanh(3.0)
    arguments = HIDDEN[:1], IDS[:1]
    assert filled(TextHead(first_token, 2, 2))(*arguments).tolist() == [pytest.approx([pooled, 10 - pooled])]
    assert filled(TextHead(first_token, 2, 2, dense=False))(*arguments).tolist() == [[1.0, 9.0]]
    assert filled(TextHead(first_token, 2, 2, dense=False, bias=False))(*arguments).tolist() == [[1.0, -1.0]]
    assert filled(TextHead(first_token, 2, None))(*arguments).tolist() == [pytest.approx([0.0, pooled])]


def test_the_classes_of_tokens_are_a_linear_map_of_each_state():
    head = TokenHead(2, 3, 0.4).eval()
    found = head(HIDDEN, IDS)
    assert found.shape == (3, 4, 3)
    torch.testing.assert_close(found[1, 2], head.output.weight @ HIDDEN[1, 2] + head.output.bias)


@pytest.mark.parametrize("rates", [{"dropout_rate": 0.5}, {"dropout_before": 0.5}])
def test_dropout_before_or_behind_the_dense_layer_is_for_training(rates):
    head, hidden, ids = (
        TextHead(first_token, 64, 2, **rates),
        torch.randn(1, 1, 64),
        torch.zeros(1, 1, dtype=torch.long),
    )
    assert not torch.equal(head(hidden, ids), head(hidden, ids))
    head.eval()
    assert torch.equal(head(hidden, ids), head(hidden, ids))


def test_before_the_output_layer_come_dense_activation_and_norm():
    norm = LayerNorm(2, 0.0)
    transform = Transform(3, 2, "relu", norm)
    with torch.no_grad():
        transform.dense.weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]))
        transform.dense.bias.copy_(torch.tensor([-5.0, 1.0]))
        norm.bias.copy_(torch.tensor([0.25, 0.0]))
    # relu(2 − 5), relu(3 + 4 + 1) = 0, 8: their mean is 4, their deviation 4
    assert transform(torch.tensor([[[2.0, 3.0, 4.0]]])).tolist() == [[[-0.75, 1.0]]]


def test_states_may_be_scaled_before_the_output_layer():
    assert Scale(0.5)(torch.tensor([[[2.0, 3.0]]])).tolist() == [[[1.0, 1.5]]]


@pytest.mark.parametrize(
    ("head", "shape"), [(CLASSES, (3, 3)), (Head("tokens", ("x", "y")), (3, 4, 2)), (Head("none"), (3, 2))]
)
def test_an_encoder_that_is_read_at_its_first_token_has_the_head_that_is_asked_for(head, shape):
    assert reader_head(head, 2, 0.0)(HIDDEN, IDS).shape == shape


def test_the_head_over_the_vocabulary_is_no_head_of_classes():
    assert reader_head(Head(), 2, 0.0) is None


def test_only_classes_drop_out():
    head = reader_head(CLASSES, 2, 0.1, 0.2)
    assert (head.before.rate, head.dropout.rate) == (0.2, 0.1)
    assert reader_head(Head("none"), 2, 0.1, 0.2).before.rate == 0.0
    assert isinstance(head.dense, nn.Linear)
