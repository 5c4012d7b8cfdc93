"""Texts, recipes and tokenizers under inputs that nobody chose: nothing but our own errors comes out."""

from __future__ import annotations

import gzip
import importlib.util
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from regard.errors import DataError, RegardError, SettingError
from regard.runs.recipe import SECTIONS

PATH = Path(__file__).parents[2] / "benchmarks" / "fuzz_text.py"
patient = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def loaded() -> ModuleType:
    specification = importlib.util.spec_from_file_location("fuzz_text", PATH)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


fuzz = loaded()

# Bytes -----------------------------------------------------------------------------------------------------------

FRAGMENTS = [
    b"a dog", b"\n", b"\r\n", b"\r", b"\t", b"\x00", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x80\xa8", b"\xc2\x85", b"\x0b", b"\x0c", "안녕".encode(), "e\u0301".encode(), b'{"text": "a"}',
    b'{"text": "\\ud800"}',
    b'{"text": ["a", 1]}', b'{"source": "a", "target": "b"}', b"text\tlabel", b'"a ""b"""', b"\x1f\x8b", b"[" * 2000,
    b"9" * 5000,
    gzip.compress(b"one\ntwo\n"), gzip.compress(b"one\n")[:-4], b"\xfd7zXZ\x00", b"PK\x03\x04", b"\x28\xb5\x2f\xfd",
]  # fmt: skip
corpora = st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(FRAGMENTS), max_size=12).map(b"".join))


@patient
@example(b"")
@example(b"one\rtwo")
@example(b"one\r")
@example(gzip.compress(gzip.compress(b"one\n")))
@given(data=st.one_of(corpora, corpora.map(gzip.compress)))
def test_no_bytes_bring_another_error_out_of_a_reader(data: bytes) -> None:
    with suppress(DataError, SettingError):
        fuzz.fuzz_corpus(data)


# Recipes ---------------------------------------------------------------------------------------------------------

KEYS = ["train.steps", "model.heads", "model.d_model", "model.layers", "decode.beam", "data.bad_text",
        "tokenizer.size", "task.kind", "family", "model.size", "train", "model", "cleaning.max_ratio",
        "init.new_tokens", "x.y", ""]  # fmt: skip
VALUES = ["1", "0", "-1", "1e999", "nan", "true", '"512"', "1_000", "[]", "[1, [2]]", "{a = 1}", "9" * 5000, "1.5",
          '"bert"', '"large"', "2020-01-01", "'''", '"\\ud800"', "1e-320", "0x7fffffffffffffffff", "inf"]  # fmt: skip
lines = st.builds("{}{}{}".format, st.sampled_from(KEYS), st.sampled_from(["=", " = ", ""]), st.sampled_from(VALUES))
headers = st.sampled_from([f"[{name}]" for name in (*SECTIONS, "model", "zzz")] + ["[[train]]", "[", "# x", "\ud800"])
recipes = st.one_of(st.lists(st.one_of(lines, headers), max_size=6).map("\n".join), st.text(max_size=60))


@settings(patient, max_examples=30)
@example("a = " + "[" * 100_000)
@example("a=" + "{x=" * 3000)
@example("[train]\nsteps = 1\nsteps = 2")
@given(text=recipes)
def test_no_recipe_brings_another_error_out(text: str) -> None:
    with suppress(SettingError):
        fuzz.fuzz_recipe(text)


# Tokenizers ------------------------------------------------------------------------------------------------------

PIECES = [
    "안녕하세요", "\u110b\u1161\u11ab", "\u1112", "\uffa1", "\u3131", "e\u0301\u0323", "a" + "\u0301" * 500,
    "👩\u200d👩\u200d👧🏽", "🏴\U000e0067\U000e007f",
    "\u202eabc\u202c", "\u2066x\u2069", "\u200f", "\ufeff", "\x00", "\x7f", "\x85", "\u2028", "▁", "<0x41>", "</s>",
    "<pad>", "<unk>", "<mask>",
    "[CLS]", "[MASK]", "<2de>", "<", "##", " ", "  ", "\t", "\r", "\n", "\U0010ffff", "\ue000", "\ufffd",
    "ﬁ", "ı", "İ", "ß", "ǆ", "٣", "Ω",
]  # fmt: skip
user_texts = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=10).map("".join), st.text(st.characters(exclude_categories=["Cs", "Cn"]))
)


@patient
@example("<" * 2000)
@example("a" * 20_000)
@example("\u1100" * 3000)
@given(text=user_texts)
def test_a_text_of_a_user_comes_back_and_is_never_special(text: str) -> None:
    fuzz.fuzz_tokenizer(text)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_a_surrogate_pair_is_no_text(text: str) -> None:
    with pytest.raises(RegardError, match="got the lone surrogate"):
        fuzz.fuzz_tokenizer(text)
