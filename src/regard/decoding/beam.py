"""Beam search: keep the k likeliest beginnings of an output, extend each by one token, and again keep k.

At each step the 2k likeliest continuations of a sentence's k live hypotheses are its candidates. One that ends in
``</s>`` and ranks among the first k is finished and gets its score; the k best of the others live on (of 2k candidates
at most k end, one for each parent; where e ids end an output, there are (1 + e)·k candidates). A sentence whose live
hypotheses cannot improve on its finished ones leaves the batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from regard.decoding.constraints import Constraints, penalise_repeats
from regard.decoding.finished import Finished
from regard.decoding.hypothesis import Hypothesis
from regard.decoding.interface import Decodable, PerSentence
from regard.decoding.live import Candidates, Live
from regard.decoding.penalty import LengthPenalty, StopRule
from regard.decoding.rollout import log_probabilities
from regard.decoding.roster import Roster, read_at_once
from regard.decoding.settings import DecodingSettings
from regard.notation import ImageSource

Recorder = Callable[[Candidates], None]


@torch.inference_mode()
def beam_search(
    model: Decodable,
    source: ImageSource,
    limits: PerSentence,
    settings: DecodingSettings,
    record: Recorder | None = None,
    continues: bool = False,
) -> list[list[Hypothesis]]:
    """The ``n_best`` best outputs of every source, best first; fewer where no more were found.

    ``limits`` bound the generated tokens of each sentence, ``</s>`` included. ``record`` sees every step's candidates.
    ``continues``: the outputs complete their sources (``Constraints``).
    """
    beam, exact = settings.beam, settings.rules == "exact"
    constraints = Constraints.of(settings, model.eos, continues)
    roster = Roster(len(source), beam, source.device, read_at_once(model, source, continues))
    source, limits = source[roster.sentences], limits[roster.sentences]
    state = model.start_decoding(source, beam)
    log = log_probabilities(model.step(state.first, state))
    constraints.fit(log.shape[1])
    before = constraints.before(source.repeat_interleave(beam, dim=0), state.first)
    penalties = LengthPenalty.of(settings).table(int(limits.max()), log)
    stop = StopRule(exact, penalties)
    live = Live.start(len(limits), beam, log)
    finished = Finished.start(len(limits), settings.n_best if exact else beam, log)
    results: dict[int, list[Hypothesis]] = {}
    while True:
        written = live.tokens.flatten(0, 1)
        if settings.repetition_penalty != 1.0:
            penalise_repeats(log, constraints.history(before, written), settings.repetition_penalty)
        allowed = constraints(log, before, written, limits.repeat_interleave(beam))
        cut = (limits <= written.shape[1] + 1) & continues
        candidates = live.expand(allowed, roster.sentences, constraints.ends, cut)
        if record is not None:
            record(candidates)
        finished = finished.merge(live, candidates, beam, penalties[candidates.length])
        live = live.advance(candidates)
        done = stop(live.totals[:, 0], finished.scores[:, -1], candidates.length, limits)
        gone, places = roster.leave(done)
        for place, sentence in gone:
            results[sentence] = finished.read(place, constraints.ends)[: settings.n_best]
        if places is not None:
            if len(places) == 0:
                return [results[sentence] for sentence in sorted(results)]
            state.keep(places)
            live, finished, limits = live.keep(places), finished.keep(places), limits[places]
            before = before.unflatten(0, (-1, beam))[places].flatten(0, 1)
        state.reorder(live.rows_before())
        log = log_probabilities(model.step(live.newest(), state))
