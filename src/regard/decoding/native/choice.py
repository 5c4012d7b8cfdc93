"""Which engine translates: the compiled one where it can, else torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from regard.compiling import Compiled, compiled
from regard.decoding.native.engine import Engine
from regard.decoding.native.job import typed
from regard.decoding.native.plan import ModelPlan, NotSupported, plan_of
from regard.decoding.native.watch import Watch
from regard.decoding.settings import DecodingSettings
from regard.errors import SettingError
from regard.layers import kernels

SOURCE = Path(__file__).with_name("engine.cpp")
SHARED = Path(kernels.__file__).parent  # vectors of numbers


@dataclass(frozen=True)
class Choice:
    """An engine, or None for torch. ``reason``: why not another one; "" where all is as the settings wish."""

    engine: Engine | None
    reason: str = ""


class Engines:
    """The engines of one model, one for each kind of products, each made when it is first asked for."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._engines: dict[bool, Engine] = {}
        self._watch: Watch | None = None
        self._plan: ModelPlan | str = ""
        self._compiled: Compiled | None = None

    def choose(self, settings: DecodingSettings) -> Choice:
        """What the settings ask for, as far as it can be had. An engine is made anew where a weight has changed.

        Raises SettingError where ``engine`` is native and that, or the kind of products, cannot be.
        """
        if settings.engine == "torch":
            return Choice(None, "" if settings.products == "float32" else "engine is torch")
        choice = self._native(settings)
        if settings.engine == "native" and choice.reason:
            raise SettingError.because(
                "engine", "native", f"a case without this hindrance: {choice.reason}", "use auto"
            )
        return choice

    def _native(self, settings: DecodingSettings) -> Choice:
        if reason := unsupported(settings):
            return Choice(None, reason)
        plan = self._present_plan()
        if isinstance(plan, str):
            return Choice(None, plan)
        if self._compiled is None:
            self._compiled = compiled_engine()
            if self._compiled.library is not None:
                typed(self._compiled.library)
        library = self._compiled.library
        if library is None:
            return Choice(None, self._compiled.reason)
        wish = settings.products == "int8"
        in_bytes = wish and bool(library.regard_has_bytes())
        engine = self._engines.get(in_bytes)
        if engine is None or engine.plan != plan:
            try:
                engine = self._engines[in_bytes] = Engine(library, plan, in_bytes=in_bytes)
            except NotSupported as refusal:
                return Choice(None, str(refusal))
        return Choice(engine, "no instructions for products of bytes" if wish and not in_bytes else "")

    def _present_plan(self) -> ModelPlan | str:
        if self._watch is None or not self._watch.unchanged():
            self._watch, self._plan = Watch(self._model), plan_of(self._model)
        return self._plan


def compiled_engine() -> Compiled:
    """The compiled file, or the reason why there is none."""
    return compiled(SOURCE, shared=SHARED)


def unsupported(settings: DecodingSettings) -> str:
    """The setting that only torch heeds, or ""."""
    if settings.sample:
        return "sampling"
    return "" if settings.repetition_penalty == 1.0 else "a repetition penalty"


def cores() -> int:
    """Those that this process may use; no more than ``$OMP_NUM_THREADS``, where it is set."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(here, int(allowed))) if allowed.isdigit() else here
