"""A model's weights, packed once for the compiled decoder, and the search over them."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from regard.decoding.constraints import Constraints
from regard.decoding.hypothesis import Hypothesis
from regard.decoding.native import views
from regard.decoding.native.job import Job, Progress, made
from regard.decoding.native.packing import Floats, Packing, positions_table, rotation_tables
from regard.decoding.native.plan import ModelPlan
from regard.decoding.penalty import LengthPenalty
from regard.decoding.settings import DecodingSettings

FIRST_PLACES = 256  # that tables of positions are made for; a longer sentence doubles them
NO_TOKEN = -1

Whole = NDArray[np.int32]
Tables = tuple[Floats | None, Floats | None, Floats | None, Floats | None]


class Engine:
    """A model that translates in C++. Its results do not depend on which sentences are translated together."""

    def __init__(self, library: ctypes.CDLL, plan: ModelPlan, *, in_bytes: bool) -> None:
        """Raises NotSupported where a weight is not a number."""
        self.plan = plan
        self.vocabulary = plan.output.weight.tensor.shape[0]
        self._library = library
        packing = Packing(plan, in_bytes=in_bytes)
        self._model = made(library.regard_model(ctypes.byref(packing.view)))
        weakref.finalize(self, library.regard_forget_model, self._model)
        self._tables: tuple[int, Tables] = (0, (None, None, None, None))

    def search(
        self,
        sources: Sequence[Sequence[int]],
        settings: DecodingSettings,
        workers: int,
        progress: Progress | None = None,
    ) -> list[list[Hypothesis]]:
        """The ``n_best`` best outputs of every source. ``progress`` hears now and then how many are done.

        Raises CheckpointError where a logit is not a number, SettingError for an id outside the vocabulary.
        """
        constraints = Constraints.of(settings, self.plan.eos)
        constraints.fit(self.vocabulary)
        order = sorted(range(len(sources)), key=lambda i: -len(sources[i]))  # long ones first: no worker ends up late
        workers = max(1, min(workers, len(sources)))
        inputs = _Inputs([sources[i] for i in order], self.plan, settings)
        tables = self._tables_for(inputs.most_places)
        ends, suppressed = _ids(constraints.ends), _ids(sorted(settings.suppress))
        view = views.JobView(
            _settings_view(settings, constraints, ends, suppressed),
            views.TablesView(*(None if table is None else table.ctypes.data for table in tables)),
            len(sources),
            workers,
            settings.batch_tokens,
            *(array.ctypes.data for array in (inputs.ids, inputs.places, inputs.starts, inputs.limits)),
        )
        job = Job(self._library, self._model, view)
        try:
            job.run(workers, progress)
            found = [job.result(place, constraints.ends) for place in np.argsort(order).tolist()]
        finally:
            job.close()
        return found

    def _tables_for(self, places: int) -> Tables:
        """Tables of so many places; the caller keeps them, since another thread may make longer ones meanwhile."""
        known, tables = self._tables
        if places > known:
            known = max(FIRST_PLACES, 2 * places)
            stacks = (self.plan.encoder, self.plan.decoder)
            added = [positions_table(stack.positions, known, self.plan.width) for stack in stacks]
            tables = (added[0], added[1], *rotation_tables(self.plan, known))
            self._tables = known, tables
        return tables


class _Inputs:
    """Sources one behind another. What is padding is left out, but counted where places are."""

    def __init__(self, sources: Sequence[Sequence[int]], plan: ModelPlan, settings: DecodingSettings) -> None:
        most = plan.most_tokens
        wanted = [len(source) + settings.max_extra for source in sources]
        self.limits = _ids(wanted if most is None else [min(limit, most) for limit in wanted])
        lengths = [len(source) for source in sources]
        ids = np.fromiter((index for source in sources for index in source), np.int32, sum(lengths))
        places = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
        if ids.min(initial=0) < 0 or ids.max(initial=0) >= len(plan.encoder.tokens.tensor):
            raise IndexError("an id outside the source's vocabulary")
        real = ids != plan.source_pad
        self.ids, self.places = ids[real], places[real]
        self.starts = np.append(np.int32(0), real.cumsum(dtype=np.int32))[np.cumsum([0, *lengths])]
        self.most_places = max(max(lengths), int(self.limits.max()))


def _ids(ids: Sequence[int]) -> Whole:
    return np.array(ids, np.int32)


def _settings_view(
    settings: DecodingSettings, constraints: Constraints, ends: Whole, suppressed: Whole
) -> views.SettingsView:
    penalty, exact = LengthPenalty.of(settings), settings.rules == "exact"
    return views.SettingsView(
        settings.beam,
        settings.n_best if exact else settings.beam,
        settings.n_best,
        settings.beam == 1,
        exact,
        constraints.free,
        settings.min_length,
        settings.no_repeat_ngram,
        NO_TOKEN if settings.forced_first is None else settings.forced_first,
        len(ends),
        len(suppressed),
        penalty.alpha,
        penalty.offset,
        ends.ctypes.data,
        suppressed.ctypes.data,
    )
