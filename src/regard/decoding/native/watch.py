"""Whether a model is still what it was: cheap enough to ask before every sentence."""

from __future__ import annotations

from itertools import chain
from typing import Any

from torch import nn

from regard.layers.multihead import MultiHeadAttention


class Watch:
    """Remembers every part, weight, hook and recorder of a model, without copying anything.

    What bypasses torch's own count of writes, as ``weight.data[0] = 1`` does, it does not see.
    """

    def __init__(self, model: nn.Module) -> None:
        modules = list(model.modules())
        tables: list[dict[str, Any]] = [
            table for module in modules for table in (module._modules, module._parameters, module._buffers) if table
        ]
        self._parts = [(table, list(table.values())) for table in tables]  # holds them, so that no id is given twice
        self._ids = [list(map(id, values)) for _, values in self._parts]
        self._hooks = [table for module in modules for table in (module._forward_hooks, module._forward_pre_hooks)]
        self._attentions = [
            (module, module.similarity, module.recorder) for module in modules if isinstance(module, MultiHeadAttention)
        ]
        self._hooked = sum(map(len, self._hooks))
        self._weights = list(chain(model.parameters(), model.buffers()))
        self._written = self._versions()

    def unchanged(self) -> bool:
        """Nothing was put in the place of a part, and no weight was written to."""
        return (
            all(list(map(id, table.values())) == ids for (table, _), ids in zip(self._parts, self._ids, strict=True))
            and sum(map(len, self._hooks)) == self._hooked
            and all(one.similarity is same and one.recorder is also for one, same, also in self._attentions)
            and self._versions() == self._written
        )

    def _versions(self) -> list[tuple[int, int]]:
        return [(weight.data_ptr(), 0 if weight.is_inference() else weight._version) for weight in self._weights]
