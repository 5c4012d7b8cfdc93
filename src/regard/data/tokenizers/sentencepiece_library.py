"""A sentencepiece model as a `tokenizers` library object, with the ids that a family of models gives its pieces."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Library

from regard.data.tokenizers.charsmap import is_whole_charsmap
from regard.data.tokenizers.sentencepiece_model import BPE, BYTE, NORMAL, USER_DEFINED, PieceModel
from regard.data.tokenizers.tokenizer_kinds import SPACE
from regard.errors import CheckpointError

MANY = 99  # spaces to take off the front of a text: more than there ever are
OUT_OF_REACH = "\x00"  # in front of tokens that this model never makes; every normaliser here drops it from texts


@dataclass(frozen=True)
class Arrangement:
    """The token of every id, which of them are special, and what goes around a text (``$A``) and a pair (``$B``).

    ``before`` are normalisations ahead of the model's own, ``whole`` tokens that a text may spell out.
    """

    tokens: Sequence[str]
    specials: Sequence[str]
    unknown: str
    single: str
    pair: str
    before: Sequence[normalizers.Normalizer] = ()
    stripping: Collection[str] = ()
    whole: Sequence[str] = ()


def arrange(model: PieceModel, arrangement: Arrangement, name: object) -> Library:
    """The library object. ``name`` is what an error is about. Raises CheckpointError where the parts do not fit."""
    ids = {token: index for index, token in enumerate(arrangement.tokens)}
    missing = [token for token in (arrangement.unknown, *arrangement.specials) if token not in ids]
    if missing or len(ids) < len(arrangement.tokens):
        got = f"a vocabulary without {missing[0]}" if missing else "a vocabulary with a token twice"
        raise CheckpointError.because(name, got, "every special token once", "download the file again")
    library = Library(_model(model, arrangement, ids))
    library.normalizer = _normalizer(model, arrangement, name)
    if not any(SPACE in piece.text[1:] for piece in model.pieces if piece.kind in (NORMAL, USER_DEFINED)):
        library.pre_tokenizer = pre_tokenizers.Split(SPACE, "merged_with_next")  # no piece reaches across
    in_front = MANY if model.remove_extra_whitespaces else 1
    ending = [decoders.Strip(" ", in_front, 0)] if model.add_dummy_prefix else []
    library.decoder = decoders.Sequence(
        [
            decoders.Replace(OUT_OF_REACH, ""),
            decoders.Replace(SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            *ending,
        ]
    )
    used = [token for token in arrangement.specials if token in f"{arrangement.single} {arrangement.pair}".split()]
    library.post_processor = processors.TemplateProcessing(
        single=arrangement.single, pair=arrangement.pair, special_tokens=[(token, ids[token]) for token in used]
    )
    library.add_tokens(
        [
            AddedToken(token, normalized=False, special=True, lstrip=token in arrangement.stripping)
            for token in arrangement.specials
        ]
        + [AddedToken(token, normalized=False, special=False) for token in arrangement.whole]
    )
    return library


def _model(model: PieceModel, arrangement: Arrangement, ids: Mapping[str, int]) -> models.Model:
    scores = _scores(model)
    kept = scores.keys() | {piece.text for piece in model.pieces if piece.kind == BYTE}
    kept |= {*arrangement.specials, *arrangement.whole, arrangement.unknown}
    names = [token if token in kept else OUT_OF_REACH + token for token in arrangement.tokens]
    if model.model_type == BPE:
        vocabulary = {name: index for index, name in enumerate(names)}
        return models.BPE(
            vocabulary,
            _merges(scores, ids),
            unk_token=arrangement.unknown,
            fuse_unk=True,
            byte_fallback=model.byte_fallback,
        )
    listed = [(name, scores.get(name, 0.0)) for name in names]
    return models.Unigram(listed, unk_id=ids[arrangement.unknown], byte_fallback=model.byte_fallback)


def _scores(model: PieceModel) -> dict[str, float]:
    """The score of each piece that a text may contain.

    A symbol that the user defined is always taken whole: sentencepiece scores it by its length times the best score,
    less a little.
    """
    scores = {piece.text: piece.score for piece in model.pieces if piece.kind == NORMAL}
    best = max(scores.values(), default=0.0)
    defined = [piece.text for piece in model.pieces if piece.kind == USER_DEFINED]
    return scores | {text: len(text) * best - 0.1 for text in defined}


def _merges(scores: Mapping[str, float], ids: Mapping[str, int]) -> list[tuple[str, str]]:
    """The merges that the scores of a BPE model stand for: any two pieces that make a third, the best score first."""
    known = scores.keys() & ids.keys()
    merges: list[tuple[str, str]] = []
    for text in sorted(known, key=lambda text: (-scores[text], text)):
        halves = ((text[:place], text[place:]) for place in range(1, len(text)))
        merges += [(left, right) for left, right in halves if left in known and right in known]
    return merges


def _normalizer(model: PieceModel, arrangement: Arrangement, name: object) -> normalizers.Normalizer:
    steps: list[normalizers.Normalizer] = [normalizers.Replace(OUT_OF_REACH, ""), *arrangement.before]
    if model.charsmap:
        if "nfkc" in model.rule:  # the library looks letters up one cluster at a time, so let it find composed ones
            steps.append(normalizers.NFC())
        if not is_whole_charsmap(model.charsmap):
            got = "a damaged table of normalisations"
            raise CheckpointError.because(name, got, "a whole one", "download the file again")
        steps.append(normalizers.Precompiled(model.charsmap))
    if model.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(" {2,}"), " "), normalizers.Replace(Regex(rf"\A |[ {SPACE}]+\z"), "")]
    if model.add_dummy_prefix:
        steps.append(normalizers.Prepend(SPACE))
    return normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
