"""The same text at every checkpoint that a run has kept: attention, as it is learnt."""

from __future__ import annotations

from pathlib import Path

from regard.decoding.settings import DecodingSettings
from regard.errors import RunError
from regard.looking.look import Look
from regard.looking.looks import read_and_written, seen
from regard.models.state import put_weights
from regard.runs.folder import CHECKPOINTS, load
from regard.runs.validate import complete
from regard.training.checkpoint import kept_weights, step_of, whole_checkpoints


def looks_through_training(
    folder: Path, text: str, target: str | None = None, settings: DecodingSettings | None = None
) -> list[Look]:
    """Looks at ``text``, oldest checkpoint first and the finished run last.

    All are told the translation that the finished run makes, or ``target``. Damaged checkpoints are passed over. Raises
    RunError where there is no whole one, and as ``look_at``.
    """
    model = load(folder)
    read, written, tree = read_and_written(model, text, target, settings)
    last = seen(model, read, written, tree, "finished")
    whole = [path for path, problem in whole_checkpoints(folder / CHECKPOINTS) if problem is None]
    if not whole:
        action = "train with a larger train.keep_last, which is how many stay"
        raise RunError.because(folder, "no whole checkpoint", "some in its folder checkpoints", action)
    looks = []
    for path in reversed(whole):
        put_weights(model.module, complete(model.module, kept_weights(path)))
        looks.append(seen(model, read, written, label=f"step {step_of(path):,}"))
    return [*looks, last]
