"""The ids that each lineage gives the pieces of its sentencepiece model, and what it puts around a text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Library
from tokenizers import normalizers

from regard.data.tokenizers.layout import SENTINELS
from regard.data.tokenizers.public_vocabularies import AGAIN, read_vocabulary
from regard.data.tokenizers.roles import LANGUAGE
from regard.data.tokenizers.sentencepiece_library import Arrangement, arrange
from regard.data.tokenizers.sentencepiece_model import CONTROL, UNKNOWN, Piece, PieceModel, read_piece_model
from regard.errors import CheckpointError

# Liu et al. 2020, section 2.1, in the order of the released dictionary; Tang et al. 2020 put 27 more behind.
CC25 = (
    "ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT lv_LV my_MM ne_NP "
    "nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN"
).split()
MBART50 = (
    CC25
    + (
        "af_ZA az_AZ bn_IN fa_IR he_IL hr_HR id_ID ka_GE km_KH mk_MK ml_IN mn_MN mr_IN pl_PL ps_AF pt_XX sv_SE sw_KE "
        "ta_IN te_IN th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI"
    ).split()
)
PEGASUS_OFFSET = 103  # ids that pretraining used for itself
MOST_EXTRA = 10_000  # tokens that a config may add; no public one adds more than 103
RARE = 100.0  # nats taken off a piece that ends in a digit and a comma, so that they come apart

Config = Mapping[str, Any]


def read_sentencepiece(path: Path, config: Config, model_config: Config) -> Library:
    """The tokenizer of a single model file: ``config`` is its tokenizer_config.json, ``model_config`` the config.json.

    Raises CheckpointError where the file is damaged or does not fit what the configs say.
    """
    model = read_piece_model(path)
    texts = [piece.text for piece in model.pieces]
    model_type = str(model_config.get("model_type", ""))
    if path.name == "sentencepiece.bpe.model":
        return arrange(model, _fairseq(texts, config, model_config), path)
    if model_type == "pegasus":
        return arrange(model, _pegasus(texts, _count(config, "offset", PEGASUS_OFFSET, path)), path)
    if model_type == "albert" or "[CLS]" in texts:
        return arrange(_apart_at_commas(model), _albert(model, config), path)
    if path.name == "tokenizer.model":
        return arrange(model, _llama(model, config), path)
    return arrange(model, _t5(model, _count(config, "extra_ids", SENTINELS, path)), path)


def _controls(model: PieceModel) -> list[str]:
    return [piece.text for piece in model.pieces if piece.kind in (CONTROL, UNKNOWN)]


def _unknown(model: PieceModel) -> str:
    return next(piece.text for piece in model.pieces if piece.kind == UNKNOWN)


def _count(config: Config, key: str, usual: int, path: Path) -> int:
    """How many tokens of a kind the config wants, before they are made."""
    number = config.get(key)
    number = number if type(number) is int else usual
    if not 0 <= number <= MOST_EXTRA:
        action = "use the tokenizer_config.json that was saved with the model"
        raise CheckpointError.because(path, f"{key} = {number}", f"0 to {MOST_EXTRA}", action)
    return number


def _t5(model: PieceModel, number: int) -> Arrangement:
    """Raffel et al. 2020: the sentinels come behind, the last first."""
    sentinels = [f"<extra_id_{row}>" for row in reversed(range(number))]
    tokens = [piece.text for piece in model.pieces]
    return Arrangement(
        [*tokens, *sentinels], [*_controls(model), *sentinels], _unknown(model), "$A </s>", "$A </s> $B </s>"
    )


def _albert(model: PieceModel, config: Config) -> Arrangement:
    """Lan et al. 2020. Lower case and without accents unless the config says otherwise."""
    before: list[normalizers.Normalizer] = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    if not config.get("keep_accents", False):
        before += [normalizers.NFKD(), normalizers.StripAccents()]
    if config.get("do_lower_case", True):
        before.append(normalizers.Lowercase())
    tokens = [piece.text for piece in model.pieces]
    specials = [*dict.fromkeys([*_controls(model), "[CLS]", "[SEP]", "[MASK]"])]
    single, pair = "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"
    return Arrangement(tokens, specials, _unknown(model), single, pair, before, stripping=("[MASK]",))


def _apart_at_commas(model: PieceModel) -> PieceModel:
    """ALBERT reads ``9,`` as ``9`` and ``,``."""
    pieces = [
        Piece(piece.text, piece.score - RARE, piece.kind)
        if piece.text.endswith(",") and piece.text[-2:-1].isdigit()
        else piece
        for piece in model.pieces
    ]
    return PieceModel(
        tuple(pieces),
        model.model_type,
        model.byte_fallback,
        model.rule,
        model.charsmap,
        model.add_dummy_prefix,
        model.remove_extra_whitespaces,
    )


def _pegasus(texts: list[str], offset: int) -> Arrangement:
    """Zhang et al. 2020: two masks and ids that nothing uses stand between the first two pieces and the others."""
    own = ["<pad>", "</s>", "<mask_1>", "<mask_2>", *(f"<unk_{row}>" for row in range(2, offset))]
    return Arrangement([*own, *texts[2:]], [*own, "<unk>"], "<unk>", "$A </s>", "$A $B </s>")


def _llama(model: PieceModel, config: Config) -> Arrangement:
    """Touvron et al. 2023: the ids are those of the model."""
    start = "<s> " if config.get("add_bos_token", True) else ""
    end = " </s>" if config.get("add_eos_token", False) else ""
    again = (start + f"$B:1{end}").replace("<s>", "<s>:1").replace("</s>", "</s>:1")
    tokens = [piece.text for piece in model.pieces]
    return Arrangement(tokens, _controls(model), _unknown(model), f"{start}$A{end}", f"{start}$A{end} {again}")


def _fairseq(texts: list[str], config: Config, model_config: Config) -> Arrangement:
    """MBART (Liu et al. 2020), mBART-50 (Tang et al. 2020) and XLM-RoBERTa (Conneau et al. 2020)."""
    first = ["<s>", "<pad>", "</s>", "<unk>"]
    languages = _languages(len(texts) + 2, config, model_config)
    tokens = [*first, *texts[3:], *languages, "<mask>"]
    named = config.get("src_lang")
    language = named if isinstance(named, str) and named in languages else "en_XX"
    single, pair = f"$A </s> {language}", f"$A $B </s> {language}"
    if languages == MBART50:
        single, pair = f"{language} $A </s>", f"{language} $A $B </s>"
    elif not languages:
        single, pair = "<s> $A </s>", "<s> $A </s> </s> $B </s>"
    return Arrangement(tokens, [*first, *languages, "<mask>"], "<unk>", single, pair, stripping=("<mask>",))


def _languages(without: int, config: Config, model_config: Config) -> list[str]:
    """The language codes: as many as the model has rows for, where its config tells."""
    for codes in (MBART50, CC25, []):
        if model_config.get("vocab_size") == without + len(codes):
            return codes
    if str(config.get("tokenizer_class", "")).startswith("MBart50"):
        return MBART50
    return [] if "roberta" in str(model_config.get("model_type", "")) else CC25


def read_marian(folder: Path) -> tuple[Library, Library]:
    """The two tokenizers of a Marian model: a sentencepiece model a side, and ids of their own (OPUS-MT).

    Raises CheckpointError where a file is damaged or the vocabulary lacks a special token.
    """
    vocabulary = read_vocabulary(folder / "vocab.json")
    behind = folder / "target_vocab.json"
    target = read_vocabulary(behind) if behind.exists() else vocabulary
    for path, table in ((folder / "vocab.json", vocabulary), (behind, target)):
        if "<pad>" not in table:
            raise CheckpointError.because(path, "a vocabulary without <pad>", "</s>, <unk> and <pad>", AGAIN)
    return _marian(folder / "source.spm", vocabulary), _marian(folder / "target.spm", target)


def _marian(path: Path, vocabulary: Mapping[str, int]) -> Library:
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    specials = ["</s>", "<unk>", "<pad>"]
    languages = [token for token in tokens if token.startswith(">>") and LANGUAGE.fullmatch(token)]
    arrangement = Arrangement(tokens, specials, "<unk>", "$A </s>", "$A $B </s>", whole=languages)
    return arrange(read_piece_model(path), arrangement, path)
