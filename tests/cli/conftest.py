"""Folders that look like runs but are damaged, and how a command must refuse them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def refuses(command: Callable[..., object], tree: Callable[[Path], dict[str, bytes | None]], tmp_path: Path):
    """Runs a command that must end with exit code 2, one message, nothing on standard output and nothing changed."""

    def check(*words: object, says: str, code: int = 2) -> str:
        before = tree(tmp_path)
        ended = command(*words)
        assert says in ended.err, ended.err
        assert ended.code == code
        assert ended.out == ""
        assert tree(tmp_path) == before
        return ended.err

    return check
