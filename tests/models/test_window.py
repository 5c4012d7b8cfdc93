"""Attention within r: how far a token reaches, layer by layer, and no farther."""

from __future__ import annotations

import pytest
import torch

from regard.families.transformer import POSITIONS, Config

pytestmark = pytest.mark.usefixtures("path")
SMALL = {"d_model": 12, "d_ff": 20, "heads": 3}
LENGTH, CHANGED = 14, 6


def differs(found, before) -> list[bool]:
    """Which positions have another state, to the last bit."""
    return (found != before).any(-1)[0].tolist()


@pytest.mark.parametrize(
    ("positions", "norm_kind"), [*((positions, "layer") for positions in POSITIONS), ("sinusoid", "batch")]
)
@pytest.mark.parametrize(("layers", "reach"), [(1, 3), (2, 2), (3, 1)])
def test_a_changed_token_is_seen_exactly_as_far_as_layers_times_r(
    make_model, sentences, layers, reach, positions, norm_kind
):
    config = Config(**SMALL, layers=layers, window=reach, positions=positions, norm_kind=norm_kind)
    model, source, target = make_model(config), sentences(1, LENGTH), sentences(1, LENGTH)
    changed, other = source.clone(), target.clone()
    changed[0, CHANGED] = source[0, CHANGED] % 11 + 1
    other[0, CHANGED] = target[0, CHANGED] % 11 + 1
    with torch.no_grad():
        moved = differs(model.encode(changed), model.encode(source))
        written = differs(model(source, other), model(source, target))
    assert moved == [abs(place - CHANGED) <= layers * reach for place in range(LENGTH)]
    assert written == [0 <= place - CHANGED <= layers * reach for place in range(LENGTH)]


def test_the_decoder_still_sees_the_whole_source(make_model, sentences):
    model = make_model(Config(**SMALL, layers=1, window=1))
    source, target = sentences(1, LENGTH), sentences(1, 3)
    changed = source.clone()
    changed[0, CHANGED] = source[0, CHANGED] % 11 + 1
    with torch.no_grad():
        assert all(differs(model(changed, target), model(source, target)))


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_window_as_wide_as_the_text_is_none(make_model, sentences, positions):
    narrow = make_model(Config(**SMALL, layers=2, window=9, positions=positions))
    wide = make_model(Config(**SMALL, layers=2, positions=positions))
    wide.load_state_dict(narrow.state_dict())
    source, target = sentences(2, 10), sentences(2, 10)
    torch.testing.assert_close(narrow(source, target), wide(source, target), rtol=0, atol=1e-12)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("window", [None, 1, 2])
@pytest.mark.parametrize("positions", POSITIONS)
def test_step_by_step_is_all_at_once(make_model, sentences, positions, window, residual):
    """Cached = uncached, far beyond the window; and so no position sees its future."""
    config = Config(**SMALL, layers=2, window=window, positions=positions, residual=residual)
    model = make_model(config, std=0.5)
    source, target = sentences(2, 5), sentences(2, 9)
    target[:, 0] = model.start
    with torch.no_grad():
        whole, state = model.logits(model(source, target)), model.start_decoding(source)
        for place in range(9):
            torch.testing.assert_close(model.step(target[:, place], state), whole[:, place], rtol=0, atol=1e-12)
