"""Looking inside: what attended to what, from the model's own numbers, as traces, pictures and pages.

with regard.looking.capture(model.module, layers=[2]) as trace:
model.translate(["Ein Hund läuft."], beam=1)

look = regard.looking.look_at(model, "Ein Hund läuft.")
look.attention.cross  # [N, H, T, S] of the best translation
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regard.looking.looks import look_at
    from regard.looking.recording import capture
    from regard.looking.replay import attention_of, attentions_of

__all__ = ["attention_of", "attentions_of", "capture", "look_at"]

_FILES = {"attention_of": "replay", "attentions_of": "replay", "capture": "recording", "look_at": "looks"}


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for (PEP 562)."""
    if name in _FILES:
        from importlib import import_module

        return getattr(import_module(f"regard.looking.{_FILES[name]}"), name)
    raise AttributeError(f"module 'regard.looking' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names."""
    return __all__
