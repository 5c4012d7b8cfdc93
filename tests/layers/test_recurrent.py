"""Recurrence against PyTorch's own layers, against numbers by hand, and that padding is as if it were not there."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from regard.layers.recurrent import CELLS, Recurrence

THEIRS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
EXACT = {"rtol": 0, "atol": 1e-12}


@pytest.fixture(params=CELLS)
def kind(request) -> str:
    return request.param


def layer(kind: str, d_input: int = 5, d_model: int = 4, reverse: bool = False) -> Recurrence:
    """In float64, with every weight from N(0, 0.5²)."""
    made = Recurrence(d_input, d_model, CELLS[kind], reverse=reverse).double()
    for weight in made.parameters():
        nn.init.normal_(weight, std=0.5)
    return made


def in_our_order(kind: str, weight: Tensor) -> Tensor:
    """PyTorch's LSTM has its gates as i, f, g, o."""
    if kind != "lstm":
        return weight
    i, f, g, o = weight.chunk(4)
    return torch.cat((i, f, o, g))


def of_torch(kind: str, theirs: nn.RNNBase, number: int, reverse: bool) -> Recurrence:
    """The layer with the weights of one layer and direction of theirs."""
    ending = f"l{number}_reverse" if reverse else f"l{number}"
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    w, u, b, c = (in_our_order(kind, getattr(theirs, f"{name}_{ending}").detach()) for name in names)
    ours = Recurrence(w.shape[1], u.shape[1], CELLS[kind], reverse=reverse).double()
    weights = {"input.weight": w, "recurrent.weight": u}
    biases = {"input.bias": b, "recurrent.bias": c} if kind == "gru" else {"input.bias": b + c}
    ours.load_state_dict(weights | biases)
    return ours


def random_torch(kind: str, layers: int = 1, bidirectional: bool = False) -> nn.RNNBase:
    theirs = THEIRS[kind](5, 4, layers, batch_first=True, bidirectional=bidirectional).double()
    for weight in theirs.parameters():
        nn.init.normal_(weight, std=0.5)
    return theirs


def test_it_is_the_layer_of_pytorch(kind):
    theirs = random_torch(kind)
    ours, x = of_torch(kind, theirs, 0, reverse=False), torch.randn(3, 7, 5).double()
    expected, _ = theirs(x)
    found, last = ours(x)
    torch.testing.assert_close(found, expected, **EXACT)
    assert torch.equal(last[0], found[:, -1])


def test_it_goes_on_from_a_state_as_pytorch_does(kind):
    theirs = random_torch(kind)
    ours, x = of_torch(kind, theirs, 0, reverse=False), torch.randn(3, 7, 5).double()
    state = tuple(torch.randn(3, 4).double() for _ in range(CELLS[kind].tensors))
    begun = tuple(tensor[None] for tensor in state)
    expected, theirs_last = theirs(x, begun if kind == "lstm" else begun[0])
    found, last = ours(x, None, state)
    torch.testing.assert_close(found, expected, **EXACT)
    for mine, other in zip(last, theirs_last if kind == "lstm" else (theirs_last,), strict=True):
        torch.testing.assert_close(mine, other[0], **EXACT)


def test_its_gradients_are_those_of_pytorch(kind):
    theirs = random_torch(kind)
    ours, x = of_torch(kind, theirs, 0, reverse=False), torch.randn(3, 7, 5).double()
    into = [x.clone().requires_grad_() for _ in range(2)]
    weighing = torch.randn(3, 7, 4).double()
    (theirs(into[0])[0] * weighing).sum().backward()
    (ours(into[1])[0] * weighing).sum().backward()
    torch.testing.assert_close(into[1].grad, into[0].grad, **EXACT)
    for mine, other in ((ours.input.weight, "weight_ih_l0"), (ours.recurrent.weight, "weight_hh_l0")):
        expected = in_our_order(kind, getattr(theirs, other).grad)
        torch.testing.assert_close(mine.grad, expected, rtol=0, atol=1e-11)


def test_two_layers_of_both_directions_are_pytorch_s_on_packed_sentences(kind):
    theirs = random_torch(kind, layers=2, bidirectional=True)
    lengths, x = torch.tensor([7, 4, 1, 5]), torch.randn(4, 7, 5).double()
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    packed_out, their_last = theirs(packed)
    expected, _ = pad_packed_sequence(packed_out, batch_first=True)
    hidden = their_last[0] if kind == "lstm" else their_last
    real = torch.arange(7) < lengths[:, None]
    for number in range(2):
        found = [of_torch(kind, theirs, number, reverse)(x, real) for reverse in (False, True)]
        for direction, (_, last) in enumerate(found):
            torch.testing.assert_close(last[0], hidden[2 * number + direction], **EXACT)
            if kind == "lstm":
                torch.testing.assert_close(last[1], their_last[1][2 * number + direction], **EXACT)
        x = torch.cat([outputs for outputs, _ in found], -1)
    torch.testing.assert_close(x[real], expected[real], **EXACT)


def test_elman_s_recurrence_by_hand():
    ours = layer("rnn", 1, 1)
    ours.load_state_dict(
        {"input.weight": torch.tensor([[2.0]]), "input.bias": torch.tensor([0.5]), "recurrent.weight": -torch.eye(1)}
    )
    found, _ = ours(torch.tensor([[[1.0], [-3.0]]]).double())
    first = math.tanh(2.5)
    assert found.flatten().tolist() == pytest.approx([first, math.tanh(-5.5 - first)], abs=1e-15)


def saturated(kind: str, *bias: float) -> Recurrence:
    """Of width 1, where only the bias counts."""
    ours = layer(kind, 1, 1)
    for weight in ours.parameters():
        nn.init.zeros_(weight)
    ours.input.bias.data.copy_(torch.tensor(bias))
    return ours


def test_an_lstm_whose_gates_say_so_keeps_its_cell():
    """i = 0, f = 1, o = 1, whatever is new: c stays, and h = tanh(c)."""
    ours = saturated("lstm", -800.0, 800.0, 800.0, 3.0)
    state = (torch.zeros(1, 1).double(), torch.full((1, 1), 0.7, dtype=torch.float64))
    found, (_, cell) = ours(torch.randn(1, 9, 1).double(), None, state)
    assert cell.item() == 0.7
    assert found.flatten().tolist() == pytest.approx([math.tanh(0.7)] * 9, abs=1e-15)


def test_an_lstm_that_forgets_has_only_what_is_new():
    ours = saturated("lstm", 800.0, -800.0, 0.0, 3.0)
    state = (torch.zeros(1, 1).double(), torch.full((1, 1), 0.7, dtype=torch.float64))
    _, (h, cell) = ours(torch.randn(1, 2, 1).double(), None, state)
    assert cell.item() == pytest.approx(math.tanh(3.0), abs=1e-15)
    assert h.item() == pytest.approx(0.5 * math.tanh(math.tanh(3.0)), abs=1e-15)


def test_a_gru_whose_update_gate_is_one_keeps_its_state_and_is_new_where_it_is_zero():
    state = (torch.full((1, 1), 0.7, dtype=torch.float64),)
    for update, expected in ((800.0, 0.7), (-800.0, math.tanh(3.0)), (0.0, (0.7 + math.tanh(3.0)) / 2)):
        _, (h,) = saturated("gru", 0.0, update, 3.0)(torch.randn(1, 1, 1).double(), None, state)
        assert h.item() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("reverse", [False, True])
def test_padding_is_invisible_to_the_bit(kind, reverse):
    """On either side, and whatever stands there, even what is no number."""
    ours, x = layer(kind, reverse=reverse), torch.randn(4, 5, 5).double()
    expected, expected_last = ours(x)
    for before, after in ((0, 3), (2, 0), (1, 4)):
        shape = (0, 0, before, after)
        wide = nn.functional.pad(x, shape, value=math.nan)
        real = nn.functional.pad(torch.ones(4, 5, dtype=torch.bool), (before, after), value=False)
        found, last = ours(wide, real)
        assert torch.equal(found[:, before : before + 5], expected)
        assert all(map(torch.equal, last, expected_last))


def test_the_beginning_and_the_end_of_sentences_of_unlike_length(kind):
    """Each row of a padded batch is what that sentence is by itself."""
    lengths = [6, 2, 3]
    x, real = torch.randn(3, 6, 5).double(), torch.arange(6) < torch.tensor(lengths)[:, None]
    for reverse in (False, True):
        ours = layer(kind, reverse=reverse)
        found, last = ours(x, real)
        for row, length in enumerate(lengths):
            alone, its_last = ours(x[row : row + 1, :length])
            torch.testing.assert_close(found[row : row + 1, :length], alone, **EXACT)
            for mine, other in zip(last, its_last, strict=True):
                torch.testing.assert_close(mine[row : row + 1], other, **EXACT)


def test_padding_is_invisible_to_the_gradient(kind):
    ours, x = layer(kind), torch.randn(3, 4, 5).double()
    gradients = []
    for more in (0, 3):
        ours.zero_grad()
        real = torch.arange(4 + more).expand(3, -1) < 4
        found, last = ours(nn.functional.pad(x, (0, 0, 0, more), value=9.0), real)
        (found[:, :4].square().sum() + sum(tensor.sum() for tensor in last)).backward()
        gradients.append([weight.grad.clone() for weight in ours.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1], **EXACT)


def test_reading_backwards_is_reading_the_reverse(kind):
    backwards, x = layer(kind, reverse=True), torch.randn(2, 6, 5).double()
    forwards = layer(kind)
    forwards.load_state_dict(backwards.state_dict())
    found, last = backwards(x)
    expected, expected_last = forwards(x.flip(1))
    assert torch.equal(found, expected.flip(1))
    assert all(map(torch.equal, last, expected_last))


def test_a_step_is_a_turn_of_the_loop(kind):
    ours, x = layer(kind), torch.randn(4, 6, 5).double()
    expected, last = ours(x)
    state = tuple(torch.zeros(4, 4).double() for _ in range(CELLS[kind].tensors))
    for t in range(6):
        state = ours.step(ours.input(x[:, t]), state)
        assert torch.equal(state[0], expected[:, t])
    assert all(map(torch.equal, state, last))


def test_recurrent_weights_begin_orthogonal_and_the_forget_gate_open(kind):
    ours = Recurrence(5, 4, CELLS[kind])
    for gate in ours.recurrent.weight.chunk(CELLS[kind].gates):
        torch.testing.assert_close(gate @ gate.T, torch.eye(4), rtol=0, atol=1e-5)
    bound = math.sqrt(6 / (5 + 4))
    assert 0.5 * bound < ours.input.weight.abs().max() <= bound
    expected = torch.zeros(CELLS[kind].gates, 4)
    if kind == "lstm":
        expected[1] = 1.0
    assert torch.equal(ours.input.bias, expected.flatten())
    assert (ours.recurrent.bias is not None) is (kind == "gru")
    assert ours.recurrent.bias is None or not ours.recurrent.bias.any()


def test_it_learns_in_bfloat16(kind):
    """The state has the weights' type, and the numbers are those of float64 but for rounding."""
    ours, x = layer(kind), torch.randn(3, 5, 5).double()
    real = torch.arange(5) < torch.tensor([5, 3, 1])[:, None]
    expected, _ = ours(x, real)
    rounded = ours.bfloat16()
    found, last = rounded(x.bfloat16(), real)
    found.float().square().sum().backward()
    assert {found.dtype, *(tensor.dtype for tensor in last)} == {torch.bfloat16}
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=0.08)
    assert all(weight.grad.isfinite().all() and weight.grad.any() for weight in rounded.parameters())
