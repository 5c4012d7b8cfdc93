"""From ids to the vectors that the first layer reads."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from regard.layers.embedding import TokenEmbedding
from regard.layers.norm import LayerNorm
from regard.layers.position import LearnedPositions, among_tokens
from regard.models.embedder import Embedder, TokenTypes

IDS = torch.tensor([[0, 3, 4, 2], [3, 2, 0, 0]])  # 0 is padding
TYPES = torch.tensor([[0, 0, 1, 1], [0, 1, 0, 0]])


def make(rate: float = 0.0, **parts) -> Embedder:
    tokens = TokenEmbedding(6, 4, pad=0, scaled=False)
    return Embedder(tokens, LearnedPositions(9, 4, offset=1), rate, **parts)


def test_tokens_and_positions_are_added():
    embed = make()
    expected = embed.tokens.weight[IDS] + embed.positions.weight[1:5]
    torch.testing.assert_close(embed(IDS), expected)


def test_places_may_be_given():
    embed = make()
    places = torch.tensor([[5, 6, 7, 0], [0, 1, 2, 3]])
    torch.testing.assert_close(embed(IDS, places), embed.tokens.weight[IDS] + embed.positions.weight[places + 1])


def test_places_may_be_counted_otherwise():
    embed = make(numbering=partial(among_tokens, pad=0))
    rows = torch.tensor([[0, 1, 2, 3], [1, 2, 0, 0]])
    torch.testing.assert_close(embed(IDS), embed.tokens.weight[IDS] + embed.positions.weight[rows])


def test_the_type_of_each_token_is_added_and_that_is_the_first_where_none_is_given():
    types = TokenTypes(2, 4)
    embed, plain = make(types=types), make()
    plain.load_state_dict({name: weight for name, weight in embed.state_dict().items() if "types" not in name})
    torch.testing.assert_close(embed(IDS, types=TYPES), plain(IDS) + types.weight[TYPES])
    torch.testing.assert_close(embed(IDS), plain(IDS) + types.weight[0])


def test_the_sum_is_normed_and_then_made_wider():
    embed = make(types=TokenTypes(2, 4), norm=LayerNorm(4), wide=nn.Linear(4, 10))
    nn.init.normal_(embed.norm.weight)
    summed = embed.tokens.weight[IDS] + embed.types.weight[TYPES] + embed.positions.weight[1:5]
    expected = nn.functional.layer_norm(summed, (4,), embed.norm.weight, embed.norm.bias, 1e-5)
    expected = expected @ embed.wide.weight.T + embed.wide.bias
    assert expected.shape == (2, 4, 10)
    torch.testing.assert_close(embed(IDS, types=TYPES), expected)


@pytest.mark.parametrize("norm", [None, LayerNorm(4)])
def test_what_drops_out_is_the_normed_sum(norm):
    embed = make(0.5, norm=norm)
    seen = embed(IDS.repeat(50, 1))
    assert 0.4 < (seen == 0).float().mean() < 0.6
    embed.eval()
    whole = embed(IDS.repeat(50, 1))
    kept = seen != 0
    torch.testing.assert_close(seen[kept], 2.0 * whole[kept])
