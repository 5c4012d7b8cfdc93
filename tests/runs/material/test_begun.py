"""What a run remembers of the checkpoint that it began with."""

from __future__ import annotations

import torch
from torch import nn

from regard.models.heads import LANGUAGE, Head
from regard.models.vocabulary import Vocabulary
from regard.runs.material.begun import Begun

CLASSES = Head("classification", ("ä", "b"))
VOCABULARY = Vocabulary(9, 9, shared=True, eos=0, pad=8, source_pad=8, start=8, never=8)


def test_it_is_read_as_it_was_written(tmp_path):
    for head in (LANGUAGE, CLASSES):
        begun = Begun(VOCABULARY, ("a.weight", "head.output.weight"), head)
        begun.write(tmp_path)
        assert Begun.read(tmp_path) == begun


def test_a_run_of_its_own_remembers_none(tmp_path):
    assert Begun.read(tmp_path) is None


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stack, self.output = nn.Linear(2, 2), nn.Linear(2, 2, bias=False)
        self.head = nn.Module()
        self.head.dense, self.head.output = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
        self.register_buffer("constant", torch.ones(1))


def test_what_learns_beside_low_rank_changes_is_the_head_and_what_is_new():
    known = ("stack.weight", "stack.bias", "head.dense.weight", "head.output.weight")
    begun = Begun(VOCABULARY, known, CLASSES)
    assert set(begun.learning(Model(), CLASSES)) == {"output.weight", "head.dense.weight", "head.output.weight"}


def test_classes_are_new_unless_they_are_the_same():
    begun = Begun(VOCABULARY, ("head.dense.weight", "head.output.weight"), CLASSES)
    others = Head("classification", ("b", "ä"))
    assert not begun.is_new("head.output.weight", CLASSES)
    assert begun.is_new("head.output.weight", others)
    assert not begun.is_new("head.dense.weight", others)
    assert begun.is_new("output.weight", CLASSES)
