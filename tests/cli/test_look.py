"""``regard look``: a picture of the translation, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import AxesImage

from regard.looking import style
from regard.looking.align import merge_words
from regard.looking.capture import attention_of
from regard.looking.translation_map import translation_map
from regard.runs.folder import load

ENGLISH, GERMAN = "The dogs are waking up on the street.", "Die Hunde wachen auf der Straße auf."


def test_the_translation_is_printed_and_drawn(command, finished_run, tmp_path: Path):
    ended = command("look", finished_run, ENGLISH, "--out", tmp_path / "picture.svg")
    assert ended.code == 0
    assert ended.out.strip() == command("translate", finished_run, stdin=ENGLISH).out.strip()
    assert (tmp_path / "picture.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_a_translation_of_one_s_own_is_taken(command, finished_run, tmp_path: Path):
    ended = command("look", finished_run, ENGLISH, "--target", GERMAN, "--out", tmp_path / "picture.png")
    assert ended.out.strip() == GERMAN
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_the_cells_are_the_model_s_own_weights_word_by_word(finished_run):
    model = load(finished_run)
    coders = model.source_tokenizer, model.target_tokenizer
    with style.styled():
        figure = translation_map(model.module, coders, ENGLISH, GERMAN)
    (shown,) = [image.get_array() for image in figure.axes[0].findobj(AxesImage)]
    ids = [coder.encode(text) for coder, text in zip(coders, (ENGLISH, GERMAN), strict=True)]
    cross = attention_of(model.module, *ids).cross
    layer = cross[len(cross) - 2].mean(0)[: len(ids[1]), : len(ids[0])].numpy()
    pieces = [coder.pieces_of(one) for coder, one in zip(coders, ids, strict=True)]
    np.testing.assert_allclose(np.asarray(shown), merge_words(layer, *pieces), atol=1e-6)


def test_what_cannot_be_drawn_is_refused_before_any_work(refuses, finished_run, tmp_path: Path):
    out = tmp_path / "picture.png"
    refuses("look", finished_run, ENGLISH, "--out", tmp_path / "picture.gif", says="expected a picture's .png, .svg")
    refuses("look", finished_run, "  ", "--out", out, says="SENTENCE: got nothing but white space")
    refuses("look", finished_run, ENGLISH, "--target", " ", "--out", out, says="got nothing but white space")
    beam = ("--target", GERMAN, "--beam", "4", "--out", out)
    refuses("look", finished_run, ENGLISH, *beam, says="--beam: got 4; expected none with --target")
    refuses("look", tmp_path / "none", ENGLISH, "--out", out, says="none")


@pytest.mark.parametrize(
    "command_line", [("look", "{run}", "the dog", "--out", "{out}"), ("translate", "{run}", "--align")]
)
def test_a_model_without_attention_is_refused(command, small_words, tmp_path: Path, command_line):
    run = tmp_path / "seq2seq"
    sizes = ["model.attention=none", "model.d_model=16", "model.d_embedding=16"]
    words = [word for word in small_words if not word.startswith(("model.", "family="))]
    assert command("train", *words, "family=rnn", *sizes, "--out", run).code == 0
    line = [word.format(run=run, out=tmp_path / "picture.png") for word in command_line]
    ended = command(*line, stdin="the dog\n")
    assert ended.code == 2
    assert "alignment: got a model whose decoder looks at nothing; expected one with attention" in ended.err
