from __future__ import annotations

import random
from types import SimpleNamespace

import pytest
import torch

from regard.decoding.settings import DecodingSettings
from regard.decoding.translator import EMPTY, Translator
from regard.errors import CheckpointError, DataError


def some_lines(count):
    return [" ".join(str(random.randint(11, 40)) for _ in range(random.randint(0, 20))) for _ in range(count)]


@pytest.mark.parametrize(
    "settings",
    [
        DecodingSettings(batch_tokens=200),
        DecodingSettings(beam=1, batch_tokens=50),
        DecodingSettings(sample=True, batch_tokens=100),
    ],
)
def test_lines_come_out_in_the_order_they_went_in(copy_model, words, settings):
    lines = some_lines(80)
    translator = Translator(copy_model, words, words)
    assert [one.text for one in translator.translate(lines, settings)] == lines


def test_an_empty_line_stays_empty_and_the_model_does_not_see_it(copy_model, words):
    lines = ["", "12 13", "  \t", "14", "\u2003"]
    found = Translator(copy_model, words, words).translate(lines)
    assert [one.text for one in found] == ["", "12 13", "", "14", ""]
    assert found[0].n_best == (EMPTY,)
    ((first, second, *filler),) = copy_model.sources
    assert [first, second] == [[12, 13, 0, 49, 49, 49, 49, 49], [14, 0, 49, 49, 49, 49, 49, 49]]
    assert all(row == second for row in filler)  # a search never runs with too few rows
    copy_model.sources.clear()
    assert [one.text for one in Translator(copy_model, words, words).translate(["", " "])] == ["", ""]
    assert Translator(copy_model, words, words).translate([]) == []
    assert copy_model.sources == []


def test_a_translation_shows_its_first_hypothesis(table_model, words):
    model = table_model(vocabulary=30)
    (found,) = Translator(model, words, words).translate(["3 4 5"], DecodingSettings(n_best=3))
    assert len(found.n_best) == 3
    first = found.n_best[0]
    assert (found.text, found.score, found.ids) == (first.text, first.score, first.ids)
    for one in found.n_best:
        assert one.text == words.decode(one.ids)


def test_a_translation_is_one_line(copy_model, words):
    (found,) = Translator(copy_model, words, words).translate(["11 10 12"])
    assert found.ids == (11, 10, 12)
    assert found.text == "11   12"


@pytest.mark.parametrize("settings", [DecodingSettings(max_extra=5), DecodingSettings(sample=True, seed=3)])
def test_a_stream_gives_what_a_list_gives_whatever_the_window(table_model, words, settings):
    lines = [" ".join(str(random.randint(1, 28)) for _ in range(random.randint(0, 12))) for _ in range(30)]
    translator = Translator(table_model(vocabulary=30), words, words)
    together = translator.translate(lines, settings)
    for window in (1, 7, 100):
        assert list(translator.translate_stream(iter(lines), settings, window=window)) == together


def test_a_stream_reads_no_further_than_its_window(copy_model, words):
    read = []

    def lines():
        for number in range(100):
            read.append(number)
            yield "12"

    stream = Translator(copy_model, words, words).translate_stream(lines(), window=10)
    for _ in range(10):
        next(stream)
    assert len(read) == 10
    next(stream)
    assert len(read) == 20


def test_progress_counts_every_line(copy_model, words):
    lines = ["12 13"] * 5 + [""] * 2 + ["14 " * 10] * 3
    seen = []
    settings = DecodingSettings(beam=1, batch_tokens=16)
    Translator(copy_model, words, words).translate(lines, settings, progress=seen.append)
    assert seen == [3, 4, 5, 7, 9, 10]
    seen.clear()
    list(Translator(copy_model, words, words).translate_stream(lines, settings, window=5, progress=seen.append))
    assert seen == [2, 4, 5, 8, 9, 10]


def test_too_long_a_line_is_named_and_never_cut(copy_model, words):
    settings = DecodingSettings(max_source=3)
    translator = Translator(copy_model, words, words)
    assert translator.translate(["11 12 13"], settings)[0].text == "11 12 13"
    with pytest.raises(DataError) as error:
        translator.translate(["11", "11 12 13 14"], settings)
    action = "split the line into sentences, or raise max_source"
    assert str(error.value) == f"input:2: got 4 tokens; expected at most max_source (3); {action}."
    stream = translator.translate_stream(["11", "11", "11 12 13 14"], settings, window=2, name="talk.de")
    assert [next(stream).text, next(stream).text] == ["11", "11"]
    with pytest.raises(DataError, match=r"^talk\.de:3: got 4 tokens; expected at most"):
        next(stream)


def test_half_of_a_surrogate_pair_is_refused_with_its_line(copy_model, words):
    with pytest.raises(DataError) as error:
        Translator(copy_model, words, words).translate(["12", "1\ud800"])
    message = "input:2: got half of a surrogate pair at character 2; expected Unicode text; repair the line."
    assert str(error.value) == message


@pytest.mark.parametrize("settings", [DecodingSettings(), DecodingSettings(beam=1), DecodingSettings(sample=True)])
def test_a_model_whose_weights_are_no_numbers_is_refused(table_model, words, settings):
    model = table_model()
    with torch.no_grad():
        model.table.fill_(torch.nan)
    with pytest.raises(CheckpointError) as error:
        Translator(model, words, words).translate(["1 2"], settings)
    action = "look for a weight that is not a number, or for training that diverged"
    assert str(error.value) == f"model: got logits that are no numbers; expected finite ones; {action}."


def test_the_model_writes_without_dropout_and_is_then_as_it_was(copy_model, words):
    copy_model.train()
    copy_model.inner.eval()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        Translator(copy_model, words, words).translate(["12 13"])
        assert set(copy_model.circumstances) == {(False, False, True, 1)}
        assert (copy_model.training, copy_model.inner.training) == (True, False)
        assert torch.get_num_threads() == 2
        copy_model.circumstances.clear()
        Translator(copy_model, words, words).translate(["12 13"], DecodingSettings(threads=0))
        assert set(copy_model.circumstances) == {(False, False, True, 2)}
    finally:
        torch.set_num_threads(threads)


def test_the_model_is_as_it_was_even_after_an_error(copy_model, words, monkeypatch):
    def fail(tokens, state):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(copy_model, "step", fail)
    copy_model.train()
    with pytest.raises(RuntimeError, match="out of luck"):
        Translator(copy_model, words, words).translate(["12"])
    assert copy_model.training
    assert copy_model.inner.training
    assert not torch.is_inference_mode_enabled()


def test_only_a_torch_module_can_translate(words):
    class Plain:
        source_pad = pad = start = eos = 0

        def start_decoding(self, source, beams=1): ...

        def step(self, tokens, state): ...

    with pytest.raises(TypeError, match="the model is a Plain, not a torch module"):
        Translator(Plain(), words, words)


class Wrapping:
    """The words again, of a tokenizer that puts 45 before a text and 46 behind it."""

    def __init__(self, words):
        self.encode_batch, self.decode = words.encode_batch, words.decode

    def wrap(self, first, second=None):
        assert second is None
        return SimpleNamespace(ids=[45, *first, 46], types=[0] * (len(first) + 2))


def test_a_source_is_wrapped_as_its_tokenizer_knows(copy_model, words):
    (found,) = Translator(copy_model, Wrapping(words), words).translate(["12 13"], DecodingSettings(ends=(46,)))
    assert copy_model.sources[0][0] == [45, 12, 13, 46, 49, 49, 49, 49]
    assert found.ids == (45, 12, 13)


def test_a_source_beyond_the_models_positions_is_refused_and_no_output_goes_beyond_them(table_model, words):
    model = table_model(vocabulary=30, ends=-50.0)
    model.most_tokens = 6
    translator = Translator(model, words, words)
    assert len(translator.translate(["1 2 3 4 5"])[0].ids) == 5
    with pytest.raises(
        DataError, match=r"^input:2: got 7 tokens with the special ones; expected at most 6, the model's"
    ):
        translator.translate(["1", "1 2 3 4 5 6"])
