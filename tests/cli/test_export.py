"""``regard export``."""

from __future__ import annotations

import pytest


def test_the_new_folder_is_told_and_is_a_run_to_translate_with(command, finished_run, tmp_path):
    ended = command("export", finished_run, tmp_path / "shared")
    assert (ended.code, ended.out, ended.err) == (0, f"{tmp_path / 'shared'}\n", "")
    words = ("--beam", "2", "--no-repeat-ngram", "2")
    before, after = (command("translate", run, *words, stdin="A dog.\n") for run in (finished_run, tmp_path / "shared"))
    assert after.code == 0
    assert after.out.startswith(before.out.strip()[:10])


def test_ctranslate2_gets_a_folder_of_its_own(command, finished_run, tmp_path):
    pytest.importorskip("ctranslate2")
    ended = command("export", finished_run, tmp_path / "new" / "fast", "--to", "ctranslate2")
    assert ended.code == 0
    assert {"model.bin", "config.json", "shared_vocabulary.json"} <= {
        p.name for p in (tmp_path / "new" / "fast").iterdir()
    }
