"""Which ids are special: the contract of the files on disk."""

from __future__ import annotations

from regard.models.vocabulary import Vocabulary, joint_vocabulary


def test_padding_is_the_last_id_the_end_is_the_first_and_the_decoder_starts_from_padding():
    ids = joint_vocabulary(100)
    assert (ids.source, ids.target, ids.shared) == (100, 100, True)
    assert (ids.eos, ids.source_pad, ids.pad, ids.start) == (0, 99, 99, 99)


def test_each_of_two_vocabularies_ends_in_its_padding():
    ids = Vocabulary(source=100, target=50, shared=False)
    assert (ids.eos, ids.source_pad, ids.pad, ids.start) == (0, 99, 49, 49)
