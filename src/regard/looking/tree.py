"""A beam search as a tree: what was kept at each step, what was dropped, with scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from regard.decoding.batches import source_batches
from regard.decoding.beam import beam_search
from regard.decoding.hypothesis import Hypothesis
from regard.decoding.inference import inference
from regard.decoding.interface import most_tokens_of
from regard.decoding.live import Candidates
from regard.decoding.settings import DecodingSettings
from regard.looking.look import Branch, Output, Tree

Spell = Callable[[Sequence[int]], list[str]]


def searched(
    model: Any,
    read: Sequence[int],
    settings: DecodingSettings,
    pieces_of: Spell,
    decode: Callable[[Sequence[int]], str],
) -> tuple[Tree, Hypothesis]:
    """The beam search of one source, which is as translation does it, and its best output. Raises as translation."""
    seen: list[Candidates] = []
    pad = model.eos if model.source_pad is None else model.source_pad
    settings = replace(settings, n_best=settings.beam)
    with inference(model, settings.threads) as device:
        [batch] = source_batches({0: list(read)}, pad, settings, device, most_tokens_of(model))
        [hypotheses] = beam_search(model, batch.source, batch.limits, settings, record=seen.append)
    outputs = [Output(decode(one.ids), one.score, one.log_probability) for one in hypotheses]
    steps = [_branches(candidates, settings.beam, pieces_of) for candidates in seen]
    return Tree(settings.beam, _marked(steps, seen, hypotheses[0]), outputs), hypotheses[0]


def _branches(candidates: Candidates, beam: int, pieces_of: Spell) -> list[Branch]:
    """The candidates of the first sentence, which stands first; places without a hypothesis are left out."""
    tokens = candidates.tokens[0].tolist()
    columns = zip(
        candidates.parents[0].tolist(),
        pieces_of(tokens),
        candidates.logs[0].tolist(),
        candidates.totals[0].tolist(),
        candidates.ended[0].tolist(),
        strict=True,
    )
    ranks = {column: rank for rank, column in enumerate(candidates.survivors[0].tolist())}
    return [
        Branch(parent, piece, log, total, None if ended else ranks.get(column), ended and column < beam)
        for column, (parent, piece, log, total, ended) in enumerate(columns)
        if total > -torch.inf
    ]


def _marked(steps: list[list[Branch]], seen: Sequence[Candidates], best: Hypothesis) -> list[list[Branch]]:
    """The steps with the best output's own branches marked, found backwards from its last token."""
    marked = list(steps)
    rank: int | None = None  # as which the wanted branch lives on; None: it ends
    for step in reversed(range(len(best.token_log_probabilities))):
        candidates = seen[step]
        if rank is None:
            place = candidates.totals[0].tolist().index(best.log_probability)
        else:
            place = int(candidates.survivors[0, rank])
        marked[step] = [replace(branch, won=column == place) for column, branch in enumerate(steps[step])]
        rank = steps[step][place].parent
    return marked
