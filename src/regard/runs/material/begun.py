"""What a run must remember of the checkpoint that it began with, since that may be gone when it is resumed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import nn

from regard.models.heads import Head
from regard.models.vocabulary import Vocabulary
from regard.storage import write_file

FILE = "begun.json"
HEAD, CLASSES = "head.", "head.output."


@dataclass(frozen=True)
class Begun:
    """The ids that matter, with new words counted in; the names of the checkpoint's weights, and its head."""

    vocabulary: Vocabulary
    names: tuple[str, ...]
    head: Head

    def is_new(self, name: str, head: Head) -> bool:
        """Whether a model with this ``head`` begins with fresh numbers under a name: other classes are new."""
        return name not in self.names or (name.startswith(CLASSES) and head != self.head)

    def learning(self, module: nn.Module, head: Head) -> list[str]:
        """The weights that learn where all others only get low-rank changes: what is new, and the head."""
        names = [name for name, _ in module.named_parameters()]
        return [name for name in names if name.startswith(HEAD) or self.is_new(name, head)]

    def write(self, folder: Path) -> None:
        """Keep it in the ``folder`` of the run's data."""
        write_file(folder / FILE, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Begun | None:
        """What ``write`` kept; None where the run began with fresh weights."""
        path = folder / FILE
        if not path.exists():
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
        head = Head(found["head"]["kind"], tuple(found["head"]["labels"]))
        return cls(Vocabulary(**found["vocabulary"]), tuple(found["names"]), head)
