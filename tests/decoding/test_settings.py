from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import regard
from regard.config import build, to_toml
from regard.decoding.settings import DecodingSettings
from regard.errors import SettingError


def test_the_defaults_are_those_of_section_6_1():
    settings = DecodingSettings()
    assert (settings.beam, settings.length_penalty, settings.penalty, settings.max_extra) == (4, 0.6, "paper", 50)


def test_a_sentence_takes_as_many_rows_as_beams_or_as_samples():
    assert DecodingSettings(beam=5, n_best=2).rows == 5
    assert DecodingSettings(beam=5, n_best=2, sample=True).rows == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"beam": 0}, "beam: got 0; expected at least 1; use 1 or more (the default is 4)."),
        ({"top_p": 0.0}, "top_p: got 0.0; expected more than 0 and at most 1; use 1 for all tokens."),
        ({"top_p": 1.5}, "top_p: got 1.5; expected more than 0 and at most 1; use 1 for all tokens."),
        ({"min_p": 1.5}, "min_p: got 1.5; expected at least 0 and at most 1; use 0 for all tokens."),
        ({"repetition_penalty": 0.0}, "repetition_penalty: got 0.0; expected more than 0; use 1 for none."),
        ({"suppress": (3, -1)}, "suppress: got -1; expected ids of the vocabulary, from 0; look the piece up."),
        ({"ends": (-2,)}, "ends: got -2; expected ids of the vocabulary, from 0; look the piece up."),
        ({"forced_first": -1}, "forced_first: got -1; expected at least 0; use 0 or more (the default is None)."),
        ({"n_best": 5}, "n_best: got 5; expected at most beam (4); raise beam or lower n_best."),
        (
            {"length_penalty": -1.0},
            "length_penalty: got -1.0; expected at least 0.0; use 0.0 or more (the default is 0.6).",
        ),
        ({"penalty": "gnmt"}, "penalty: got 'gnmt'; expected one of paper, plain; change it (the default is 'paper')."),
        (
            {"temperature": float("nan")},
            "temperature: got nan; expected a finite number; change it (the default is 1.0).",
        ),
    ],
)
def test_a_value_out_of_range_is_named_from_a_table_and_from_python(values, message):
    with pytest.raises(SettingError) as from_python:
        DecodingSettings(**values)
    assert str(from_python.value) == message
    with pytest.raises(SettingError) as from_table:
        build(DecodingSettings, values)
    assert str(from_table.value) == message


def test_the_settings_come_back_from_their_table():
    for settings in (DecodingSettings(), DecodingSettings(forced_first=3, suppress=(5, 7), ends=(2,), min_p=0.1)):
        assert build(DecodingSettings, tomllib.loads(to_toml(settings))) == settings


def test_the_settings_can_be_read_without_torch():
    program = "import sys, regard.decoding.settings; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(Path(regard.__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", program], check=False, env=environment).returncode == 0
