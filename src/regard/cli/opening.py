"""What every command that opens a model can be told about opening it."""

from __future__ import annotations

from typing import Annotated

import typer

AllowNonfinite = Annotated[
    bool, typer.Option("--allow-nonfinite", help="Open weights with NaN or infinite numbers all the same, to look.")
]
