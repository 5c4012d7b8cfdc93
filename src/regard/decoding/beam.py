"""Beam search: keep the k likeliest beginnings of an output, extend each by one token, and again keep k.

At each step the 2k likeliest continuations of a sentence's k live hypotheses are its candidates. One that ends in
``</s>`` and ranks among the first k is finished and gets its score; the k best of the others live on (of 2k candidates
at most k end, one for each parent). A sentence whose live hypotheses cannot improve on its finished ones leaves the
batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from regard.decoding.constraints import Constraints
from regard.decoding.finished import Finished
from regard.decoding.hypothesis import Hypothesis
from regard.decoding.interface import Decodable, PerSentence
from regard.decoding.live import Candidates, Live
from regard.decoding.penalty import LengthPenalty, StopRule
from regard.decoding.rollout import log_probabilities
from regard.decoding.roster import Roster
from regard.decoding.settings import DecodingSettings
from regard.notation import SourceIds

Recorder = Callable[[Candidates], None]


@torch.inference_mode()
def beam_search(
    model: Decodable,
    source: SourceIds,
    limits: PerSentence,
    settings: DecodingSettings,
    record: Recorder | None = None,
) -> list[list[Hypothesis]]:
    """The ``n_best`` best outputs of every source, best first; fewer where no more were found.

    ``limits`` bound the generated tokens of each sentence, ``</s>`` included. ``record`` sees every step's candidates.
    """
    beam, exact = settings.beam, settings.rules == "exact"
    constraints = Constraints.of(settings, model.eos)
    roster = Roster(len(source), beam, source.device)
    limits = limits[roster.sentences]
    state = model.start_decoding(source[roster.sentences], beam)
    log = log_probabilities(model.step(limits.new_full((len(limits) * beam,), model.start), state))
    penalties = LengthPenalty.of(settings).table(int(limits.max()), log)
    stop = StopRule(exact, penalties)
    live = Live.start(len(limits), beam, log)
    finished = Finished.start(len(limits), settings.n_best if exact else beam, log)
    results: list[list[Hypothesis]] = [[] for _ in range(len(source))]
    while True:
        allowed = constraints(log, live.tokens.flatten(0, 1), limits.repeat_interleave(beam))
        candidates = live.expand(allowed, roster.sentences, model.eos)
        if record is not None:
            record(candidates)
        finished = finished.merge(live, candidates, beam, penalties[candidates.length])
        live = live.advance(candidates)
        done = stop(live.totals[:, 0], finished.scores[:, -1], candidates.length, limits)
        gone, places = roster.leave(done)
        for place, sentence in gone:
            results[sentence] = finished.read(place)[: settings.n_best]
        if places is not None:
            if len(places) == 0:
                return results
            state.keep(places)
            live, finished, limits = live.keep(places), finished.keep(places), limits[places]
        state.reorder(live.rows_before())
        log = log_probabilities(model.step(live.newest(), state))
