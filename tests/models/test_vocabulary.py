"""Which ids are special: the contract of the files on disk."""

from __future__ import annotations

import dataclasses

import pytest

from regard.models.vocabulary import Vocabulary, joint_vocabulary, own_vocabulary


def test_padding_is_the_last_id_the_end_is_the_first_and_the_decoder_starts_from_padding():
    ids = joint_vocabulary(100)
    assert (ids.source, ids.target, ids.shared) == (100, 100, True)
    assert (ids.eos, ids.source_pad, ids.pad, ids.start, ids.never) == (0, 99, 99, 99, 99)


def test_each_of_two_vocabularies_ends_in_its_padding():
    ids = own_vocabulary(100, 50, shared=False)
    assert (ids.source, ids.target, ids.shared) == (100, 50, False)
    assert (ids.eos, ids.source_pad, ids.pad, ids.start, ids.never) == (0, 99, 49, 49, 49)


def test_a_model_of_one_text_has_the_ids_that_its_tokenizer_plays_roles_with():
    roles = {"eos": 3, "pad": 0, "bos": 2, "sep": 3, "mask": 4, "unk": 1}
    ids = Vocabulary.of_texts(50, roles, start=7)
    assert (ids.source, ids.target, ids.shared) == (50, 50, True)
    assert (ids.eos, ids.pad, ids.source_pad, ids.bos, ids.sep, ids.mask) == (3, 0, 0, 2, 3, 4)
    assert (ids.start, ids.never) == (7, None)


def test_a_role_that_nobody_plays_is_none_and_an_end_that_is_not_there_is_no_id():
    for roles in ({}, dict.fromkeys(("eos", "pad", "bos", "sep", "mask"))):
        ids = Vocabulary.of_texts(50, roles)
        assert ids.eos == -1
        assert {ids.pad, ids.source_pad, ids.start, ids.never, ids.bos, ids.sep, ids.mask} == {None}


def test_the_end_may_be_id_0():
    assert Vocabulary.of_texts(50, {"eos": 0}).eos == 0


def test_nobody_changes_a_vocabulary():
    with pytest.raises(dataclasses.FrozenInstanceError):
        joint_vocabulary(9).pad = 3
