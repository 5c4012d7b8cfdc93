"""Which encoder head knows what "it" means: the pronoun puzzle, looked at from inside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.data.builtin.sample import Pair, locate
from regard.data.tokenizers.tokenizer import Tokenizer
from regard.errors import DataError
from regard.looking.replay import attention_of
from regard.models.transformer import EncoderDecoder


@dataclass(frozen=True)
class Puzzled:
    """One puzzle inside the model: how much a word looks at the right and the wrong noun, [layers, heads] each."""

    pieces: list[str]
    looking: int
    weights: Tensor  # [layers, heads, S]: the whole row of the word that looks
    right: Tensor
    wrong: Tensor


@dataclass(frozen=True)
class Head:
    """An encoder head (counted from 0), and the share of puzzles in which the word's look prefers the right noun."""

    layer: int
    head: int
    share: float


def look_at_puzzles(
    model: EncoderDecoder, tokenizer: Tokenizer, pairs: Sequence[Pair], word: str = "it"
) -> list[Puzzled]:
    """Every puzzle among the pairs, with the encoder's attention from one of its words.

    ``word`` is "it", or "adjective" for the last one. Pairs without a puzzle are passed over.
    """
    return [_look(model, tokenizer, pair, word) for pair in pairs if pair.puzzle is not None]


def _look(model: EncoderDecoder, tokenizer: Tokenizer, pair: Pair, word: str) -> Puzzled:
    ids = tokenizer.encode(pair.english)
    spans, where = locate(pair), tokenizer.spans(pair.english)
    weights = attention_of(model, [*ids, model.eos], [*tokenizer.encode(pair.german), model.eos]).encoder
    looking = _covering(where, spans.it if word == "it" else _last_word(pair.english))[-1]
    row = weights[:, :, looking, :]
    right, wrong = (row[:, :, _covering(where, span)].sum(-1) for span in (spans.right, spans.wrong))
    return Puzzled(tokenizer.pieces_of(ids), looking, row[:, :, : len(ids)], right, wrong)


def _last_word(text: str) -> tuple[int, int]:
    *_, last = re.finditer(r"\w+", text)
    return last.span()


def _covering(pieces: Sequence[tuple[int, int]], span: tuple[int, int]) -> list[int]:
    """The numbers of the pieces that share a character with the span."""
    found = [number for number, (start, end) in enumerate(pieces) if start < span[1] and end > span[0]]
    if not found:
        raise DataError.because("tokenizer", f"no piece at {span}", "pieces that cover the text", "report this")
    return found


def share_right(puzzles: Sequence[Puzzled], layer: int, head: int) -> float:
    """The share of puzzles in which the head gives the right noun more weight than the wrong one."""
    return sum(bool(one.right[layer, head] > one.wrong[layer, head]) for one in puzzles) / len(puzzles)


def best_head(puzzles: Sequence[Puzzled]) -> Head:
    """The head with the highest such share; of equals, the one whose mean weight on the right noun is higher.

    Choose on one set of puzzles and report on another: the best of many heads looks good by chance alone.
    """
    right = torch.stack([one.right for one in puzzles])
    wrong = torch.stack([one.wrong for one in puzzles])
    shares = (right > wrong).double().mean(0)
    ranking = shares + 1e-6 * right.double().mean(0)
    layer, head = divmod(int(ranking.argmax()), shares.shape[1])
    return Head(layer, head, float(shares[layer, head]))
