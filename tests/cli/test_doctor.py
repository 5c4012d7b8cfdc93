"""``regard doctor`` as a user sees it: tables, advice, JSON, exit codes."""

from __future__ import annotations

import json
import time

import pytest

from regard.runs.doctor import examination, known_answers
from regard.runs.doctor.finding import Check, Finding


def test_it_shows_each_part_and_says_whether_all_is_well(command, tmp_path):
    began = time.process_time()
    ended = command("doctor", tmp_path)
    assert time.process_time() - began < 10
    assert ended.code == 0, ended.out
    for title in ("Machine", "Software", "Folders", "Self-test"):
        assert f"\n{title}" in f"\n{ended.out}"
    assert "torch" in ended.out
    assert "answers right" in ended.out
    assert "WRONG" not in ended.out
    assert list(tmp_path.iterdir()) == []


def test_json_is_one_object_with_everything(command, tmp_path):
    ended = command("doctor", tmp_path, "--json")
    told = json.loads(ended.out)
    assert told["healthy"] is True
    assert list(told["parts"]) == ["Machine", "Software", "Folders", "Self-test"]
    assert {finding["name"] for finding in told["parts"]["Self-test"]} == {test[0] for test in examination.SELF_TESTS}
    assert set(told["parts"]["Machine"][0]) == {"name", "value", "state", "expected", "action"}


@pytest.fixture
def patient(monkeypatch):
    """Replaces everything that is looked at by these findings."""

    def be(*findings: Finding) -> None:
        monkeypatch.setattr(examination, "parts", lambda folder: {"Machine": [Check("all", lambda: findings)]})

    return be


def test_a_warning_is_told_with_what_to_do_and_is_no_failure(command, patient):
    patient(Finding("memory", "0.1 GiB", "1 GiB or more", "close other programs"), Finding("cores", "2"))
    ended = command("doctor")
    assert ended.code == 0
    assert "What to do:\n- memory: got 0.1 GiB; expected 1 GiB or more; close other programs.\n" in ended.out
    assert "cores:" not in ended.out


def test_all_is_well_where_nothing_was_found(command, patient):
    patient(Finding("cores", "2"))
    assert command("doctor").out.endswith("All is well.\n")


def test_a_wrong_answer_exits_with_1(command, patient):
    patient(Finding("softmax", "3", "2", "report this", failed=True))
    ended = command("doctor")
    assert ended.code == 1
    assert "WRONG" in ended.out
    assert "softmax: got 3; expected 2; report this." in ended.out
    told = command("doctor", "--json")
    assert told.code == 1
    assert json.loads(told.out)["healthy"] is False


def test_a_layer_that_computes_something_else_is_seen_from_the_outside(command, monkeypatch):
    monkeypatch.setattr(known_answers, "masked_softmax", lambda scores, mask: scores.softmax(-1) * 0.9)
    ended = command("doctor")
    assert ended.code == 1
    assert "- softmax: got 0.1125, 0.225, 0.5625 for seeing (True, True, True)" in ended.out


def test_a_folder_that_cannot_be_written_to_is_a_warning(command):
    ended = command("doctor", "/proc")
    assert ended.code == 0
    assert "- runs: got /proc" in ended.out
