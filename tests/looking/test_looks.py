"""A look at a text with any family and any head: all that there is to see, and a page of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.families.test_families import OF_TEXT, heads_of

from regard import families
from regard.data.tokenizers.layout import LAYOUTS
from regard.data.tokenizers.tokenizer import TokenizerSettings, train_tokenizer
from regard.decoding.settings import DecodingSettings
from regard.errors import DataError
from regard.looking.align import merge_groups, pharaoh
from regard.looking.looks import alignments, look_at, words
from regard.looking.page.write import page
from regard.looking.replay import attention_of, writes
from regard.models.public import Fit
from regard.runs.model import Model

LINES = ["a dog runs in the park .", "two cats sleep on the mat .", "the unbelievable dog sleeps ."]
CASES = [(name, head) for name in OF_TEXT for head in heads_of(families.get(name))]


def opened(name: str, head) -> Model:
    """A toy of the family with a tokenizer in its layout."""
    torch.manual_seed(4)
    family = families.get(name)
    kind = "wordpiece" if family.LAYOUT == "bert" else "bpe"
    tokenizer = train_tokenizer(LINES, TokenizerSettings(kind=kind, size=420), LAYOUTS[family.LAYOUT])
    roles = {role: getattr(tokenizer, role) for role in ("eos", "pad", "bos", "sep", "mask")}
    vocabulary = family.vocabulary(tokenizer.size, tokenizer.size, shared=True, roles=roles)
    module = family.build(family.TOY, vocabulary, head).eval().requires_grad_(False)
    settings = DecodingSettings(beam=2, max_extra=3)
    return Model(Path(name), name, family.TOY, module, head, (tokenizer, tokenizer), settings, Fit((), ()))


@pytest.mark.parametrize(("name", "head"), CASES, ids=[f"{name}-{head.kind}" for name, head in CASES])
def test_any_family_with_any_head_can_be_looked_at(name, head):
    model = opened(name, head)
    look = look_at(model, "the dog sleeps")
    assert look.source.words[-4:][:3] == ["the", "dog", "sleeps"] or look.source.words[-3:] == ["the", "dog", "sleeps"]
    for stack, modules in model.module.attentions().items():
        assert len(look.attention.of(stack)) == len(modules)
    for matrix in look.summaries.values():
        torch.testing.assert_close(matrix.sum(-1).double(), torch.ones(len(matrix)).double(), rtol=0, atol=1e-5)
    assert (look.target is not None) == writes(model.module)
    assert bool(look.classes) == (head.kind == "classification")
    if look.classes:
        assert sum(look.classes.values()) == pytest.approx(1.0, abs=1e-5)
    if look.target is not None:
        first = model.target_tokenizer.pieces_of([model.module.ids.start])
        assert look.fed.pieces == (*first, *look.target.pieces[:-1])
    predicts = head.kind == "language"
    assert (look.choices is not None) == predicts
    if look.tree is not None:
        assert look.text == model.translate(["the dog sleeps"])[0]
        assert [branch.won for step in look.tree.steps for branch in step].count(True) == len(look.target)
    assert page([look], "single", "the dog sleeps").startswith("<!")


def test_special_tokens_around_a_text_are_those_that_the_model_is_trained_with():
    """BART reads <s> … </s>: a look, and an alignment, must feed it just that."""
    model = opened("bart", heads_of(families.get("bart"))[0])
    tokenizer = model.source_tokenizer
    read = [tokenizer.bos, *tokenizer.encode("the dog sleeps"), tokenizer.eos]
    written = [*tokenizer.encode("two cats"), tokenizer.eos]
    look = look_at(model, "the dog sleeps", "two cats")
    expected = attention_of(model.module, read, written)
    assert torch.equal(look.attention.cross, expected.cross)
    assert look.source.spelt(look.source.groups_of_text) == ["the", "dog", "sleeps"]
    seen = []
    hook = model.module.encoder.embed.register_forward_pre_hook(lambda _, given: seen.append(given[0][0].tolist()))
    [links] = alignments(model, ["the dog sleeps"], [written[:-1]])
    hook.remove()
    assert seen == [read]
    matrix = expected.cross[max(0, len(expected.cross) - 2)].mean(0)
    assert links == pharaoh(merge_groups(matrix, look.source.groups_of_text, look.target.groups_of_text))


def test_the_words_of_word_pieces_are_joined_and_specials_stand_alone():
    tokenizer = opened("bert", heads_of(families.get("bert"))[0]).source_tokenizer
    found = words(tokenizer, tokenizer.wrap(tokenizer.encode("the unbelievable dog")).ids)
    assert found.words == ["[CLS]", "the", "unbelievable", "dog", "[SEP]"]
    assert len(found.groups_of_text) == 3


def test_nothing_to_read_and_a_target_for_a_reader_are_refused():
    model = opened("bert", heads_of(families.get("bert"))[0])
    with pytest.raises(DataError, match=r"^SENTENCE: got nothing but white space; expected some words; write a sent"):
        look_at(model, " ")
    with pytest.raises(DataError, match=r"^--target: got 'x'; expected none with a model that writes no translation"):
        look_at(model, "the dog", "x")
    with pytest.raises(DataError, match=r"^--target: got nothing but white space; expected some words; write a trans"):
        look_at(opened("transformer", heads_of(families.get("transformer"))[0]), "the dog", " ")
