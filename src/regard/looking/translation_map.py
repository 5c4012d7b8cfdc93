"""The picture that Bahdanau et al. drew: which words of the source each word of its translation looked at."""

from __future__ import annotations

from matplotlib.figure import Figure

from regard.errors import RunError
from regard.looking.align import merge_groups
from regard.looking.alignments import alignment_matrix
from regard.looking.look import Look, Words
from regard.looking.maps import matrix_map


def translation_map(look: Look, title: str = "") -> Figure:
    """The weights of ``alignment_matrix`` between words; special tokens are left out.

    Raises RunError as ``alignment_matrix``, and where there is no translation or no word in it.
    """
    matrix = alignment_matrix(look.attention.cross)
    if not aligns_words(look):
        got = "a translation without a word"
        raise RunError.because("alignment", got, "some words", "give it a translation with --target")
    assert isinstance(look.source, Words)
    assert look.target is not None
    columns, rows = look.source.groups_of_text, look.target.groups_of_text
    merged = merge_groups(matrix, columns, rows)
    return matrix_map(merged, look.source.spelt(columns), look.target.spelt(rows), title)


def aligns_words(look: Look) -> bool:
    """Whether there is attention from words to words to be drawn."""
    sides = look.source, look.target
    return len(look.attention.cross) > 0 and all(isinstance(side, Words) and side.groups_of_text for side in sides)
