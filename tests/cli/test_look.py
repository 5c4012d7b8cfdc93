"""``regard look``: a picture of the translation, and what is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.image import AxesImage

from regard.errors import RunError
from regard.looking import style
from regard.looking.align import merge_groups, merge_words
from regard.looking.figures import save
from regard.looking.looks import look_at
from regard.looking.replay import attention_of
from regard.looking.translation_map import translation_map
from regard.looking.views import VIEWS, picture
from regard.runs.folder import load
from regard.runs.through_training import looks_through_training

ENGLISH, GERMAN = "The dogs are waking up on the street.", "Die Hunde wachen auf der Straße auf."


@pytest.fixture(scope="module")
def without_attention(command, small_words, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recurrent translator with one context vector."""
    run = tmp_path_factory.mktemp("rnn") / "seq2seq"
    sizes = ["family=rnn", "model.attention=none", "model.d_model=16", "model.d_embedding=16"]
    words = [word for word in small_words if not word.startswith(("model.", "family="))]
    assert command("train", *words, *sizes, "--out", run).code == 0
    return run


@pytest.fixture(scope="module")
def stepped(command, small_words, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with checkpoints of steps 2 and 4, of which the last is what it kept."""
    run = tmp_path_factory.mktemp("steps") / "run"
    words = [*small_words, "train.steps=4", "train.save_every=2", "train.average=none"]
    assert command("train", *words, "--out", run).code == 0
    return run


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
        figure = translation_map(look_at(model, ENGLISH, GERMAN))
    (shown,) = [image.get_array() for image in figure.axes[0].findobj(AxesImage)]
    ids = [coder.encode(text) for coder, text in zip(coders, (ENGLISH, GERMAN), strict=True)]
    cross = attention_of(model.module, *([*one, 0] for one in ids)).cross
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


def test_a_model_without_attention_has_no_heads_to_draw(without_attention, refuses, tmp_path: Path):
    out = ("--view", "heads", "--out", tmp_path / "heads.png")
    says = "attention: got a rnn model without any; expected some; take another model"
    refuses("look", without_attention, "the dog", *out, says=says)


@pytest.mark.parametrize(
    "command_line", [("look", "{run}", "the dog", "--out", "{out}"), ("translate", "{run}", "--align")]
)
def test_a_model_without_attention_is_refused(command, without_attention, tmp_path: Path, command_line):
    line = [word.format(run=without_attention, out=tmp_path / "picture.png") for word in command_line]
    ended = command(*line, stdin="the dog\n")
    assert ended.code == 2
    assert "alignment: got a model whose decoder looks at nothing; expected one with attention" in ended.err


def test_every_view_is_a_picture(command, finished_run, tmp_path: Path):
    found = look_at(load(finished_run), ENGLISH)
    for view in VIEWS:
        save(picture(found, view, *(("encoder",) if view == "heads" else ())), tmp_path / f"{view}.pdf")
        assert (tmp_path / f"{view}.pdf").read_bytes().startswith(b"%PDF")
    options = ("--stack", "cross", "--layer", "1", "--head", "2", "--view", "alignment", "--out", tmp_path / "one.svg")
    ended = command("look", finished_run, ENGLISH, *options)
    assert ended.code == 0, ended.err
    assert (tmp_path / "one.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_one_head_s_picture_has_that_head_s_numbers(finished_run):
    found = look_at(load(finished_run), ENGLISH, GERMAN)
    with style.styled():
        figure = picture(found, "alignment", "encoder", 0, 1)
    (shown,) = [image.get_array() for image in figure.axes[0].findobj(AxesImage)]
    words = found.source.groups
    expected = merge_groups(found.attention.encoder[0, 1], words, words)
    np.testing.assert_allclose(np.asarray(shown), expected, atol=1e-6)


def test_the_picture_of_tokens_shows_what_the_model_gave_each(finished_run):
    """exp of the terms by hand: log softmax of the logits at the token that was written."""
    model = load(finished_run)
    found = look_at(model, ENGLISH, GERMAN)
    written = [*model.target_tokenizer.encode(GERMAN), 0]
    read = torch.tensor([[*model.source_tokenizer.encode(ENGLISH), 0]])
    with torch.no_grad():
        logits = model.module.logits(model.module(read, torch.tensor([[model.module.start, *written[:-1]]])))[0]
    expected = [float(logits[t].softmax(-1)[index]) for t, index in enumerate(written)]
    with style.styled():
        bars = [bar.get_height() for bar in picture(found, "tokens").axes[0].patches]
    np.testing.assert_allclose(bars, expected, rtol=1e-4)


def test_a_page_holds_everything_and_prints_the_translation(command, finished_run, tmp_path: Path):
    ended = command("look", finished_run, ENGLISH, "--out", tmp_path / "look.html")
    assert ended.out.strip() == command("translate", finished_run, stdin=ENGLISH).out.strip()
    page = (tmp_path / "look.html").read_text(encoding="utf-8")
    assert page.startswith("<!")
    assert "http-equiv" in page
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)


def test_models_stand_beside_each_other(command, finished_run, without_attention, tmp_path: Path):
    ended = command("look", finished_run, ENGLISH, "--against", without_attention, "--out", tmp_path / "two.html")
    assert ended.code == 0, ended.err
    assert len(ended.out.splitlines()) == 2


def test_training_is_looked_through(command, stepped, tmp_path: Path):
    page = tmp_path / "steps.html"
    ended = command("look", stepped, "the dog", "--checkpoints", "--out", page)
    assert ended.code == 0, ended.err
    for label in ("step 2", "step 4", "finished"):
        assert f'"{label}"' in page.read_text(encoding="utf-8")


def test_each_checkpoint_is_looked_at_with_its_own_weights(stepped):
    first, last, finished = looks_through_training(stepped, "the dog", "der Hund")
    assert [first.label, last.label, finished.label] == ["step 2", "step 4", "finished"]
    assert torch.equal(last.attention.cross, finished.attention.cross)
    assert not torch.equal(first.attention.cross, last.attention.cross)
    assert first.target == last.target


def test_a_damaged_checkpoint_is_passed_over_and_none_at_all_is_an_error(stepped, tmp_path: Path):
    run = Path(shutil.copytree(stepped, tmp_path / "run"))
    (run / "checkpoints" / "step-2" / "trainer.safetensors").write_bytes(b"no tensors")
    assert [look.label for look in looks_through_training(run, "the dog")] == ["step 4", "finished"]
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(RunError, match=r"run: got no whole checkpoint; expected some in its folder checkpoints; train"):
        looks_through_training(run, "the dog")


def test_options_that_do_not_go_together_are_refused(refuses, finished_run, tmp_path: Path):
    page, picture_file = tmp_path / "look.html", tmp_path / "look.png"
    look = ("look", finished_run, ENGLISH)
    refuses(*look, "--layer", "1", "--out", page, says="--layer: got 1; expected nothing with a page, which shows all")
    refuses(*look, "--checkpoints", "--out", picture_file, says="--checkpoints: got it with look.png; expected a page;")
    refuses(*look, "--against", finished_run, "--out", picture_file, says="--against: got it with look.png; expected a")
    both = ("--against", finished_run, "--checkpoints", "--out", page)
    refuses(*look, *both, says="--checkpoints: got it and --against; expected one of the two; leave one out")
    refuses(*look, "--out", tmp_path / "none" / "look.html", says="expected a file in a folder that there is; make")
    refuses(*look, "--cell", "1,1", "--out", page, says="--cell: got 1,1; expected none with a model that reads text")
    refuses(*look, "--language", "ko", "--out", page, says="--language: got ko; expected none with a model that reads")
    refuses(*look, "--view", "nose", "--out", picture_file, says="--view: got nose; expected one of alignment, heads")
    refuses(*look, "--stack", "nose", "--out", picture_file, says="decoder, cross; choose one that this model has")
    refuses(*look, "--layer", "9", "--out", picture_file, says="--layer: got 9; expected 1 to")
    refuses(
        *look, "--head", "0", "--layer", "1", "--view", "alignment", "--out", picture_file, says="--head: got 0; exp"
    )
    refuses("look", finished_run, "dog " * 1000, "--out", page, says="expected at most 1000, the run's max_source; sh")
