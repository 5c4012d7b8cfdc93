"""The exception tree and the house's sentence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from regard import errors
from regard.errors import DataError, RegardError, SettingError, TrainingError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, RegardError)]


def test_an_error_is_one_sentence_of_name_value_rule_and_action() -> None:
    error = SettingError.because("heads", "7 with d_model 512", "a divisor of d_model", "use 8")
    assert str(error) == "heads: got 7 with d_model 512; expected a divisor of d_model; use 8."


def test_because_makes_the_kind_of_error_that_it_is_called_on() -> None:
    assert {type(kind.because("x", 1, "2", "use 2")) for kind in KINDS} == set(KINDS)


def test_a_data_error_begins_with_its_file_and_line() -> None:
    error = DataError.at(Path("corpus") / "train.de", 3, "byte 0xff", "UTF-8", "save the file as UTF-8")
    assert isinstance(error, DataError)
    assert str(error) == f"{Path('corpus/train.de')}:3: got byte 0xff; expected UTF-8; save the file as UTF-8."


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_one_root(kind: type[RegardError]) -> None:
    assert kind is RegardError or kind.__bases__ == (RegardError,)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_user_can_mend_exits_2_and_a_failure_underway_exits_1(kind: type[RegardError]) -> None:
    assert kind.exit_code == (1 if kind is TrainingError else 2)


def test_the_docstring_draws_the_tree_that_is_there() -> None:
    drawn = dict(re.findall(r"^ +(?:[├└]── )?(\w+Error)\b.*?(?:\(exit (\d)\))?$", errors.__doc__ or "", re.MULTILINE))
    assert set(drawn) == {kind.__name__ for kind in KINDS}
    for kind in KINDS:
        if kind is not RegardError:
            assert drawn[kind.__name__] == str(kind.exit_code)
