"""The recipe of a run: every setting there is, from a TOML file, the command line, or the data."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from types import ModuleType
from typing import Any

from regard import config, families
from regard.data.clean import Cleaning
from regard.data.corpus import UNITS
from regard.data.images.settings import ImageSettings
from regard.data.lines import BAD_TEXT
from regard.data.noise import InfillNoise, Masking, SpanNoise
from regard.data.tokenizers.tokenizer import TokenizerSettings
from regard.decoding.settings import DecodingSettings
from regard.errors import SettingError
from regard.training.settings import TrainSettings

# What may be learnt from pairs, from plain text, from labels and from pictures, the likeliest first.
FROM_PAIRS = ("translation", "embedding")
FROM_TEXT = ("next_token", "masked_token", "span_corruption", "denoising")
FROM_LABELS = ("classification", "token_classification")
FROM_IMAGES = ("image_classification", "captioning", "detection")
TASKS = (*FROM_PAIRS, *FROM_TEXT, *FROM_LABELS, *FROM_IMAGES)
# Who learns a task where the recipe names no family.
FAMILY_FOR = {
    "translation": "transformer",
    "next_token": "gpt2",
    "span_corruption": "t5",
    "denoising": "bart",
    "image_classification": "vit",
    "captioning": "captioner",
    "detection": "detr",
}
ENCODER = "bert"  # for all others
SMOOTHING = 0.1  # of translation, section 5.4; the papers on other tasks have none


@dataclass(frozen=True)
class TaskSettings:
    """What is learnt from the data. ``kind`` "translation" is any text from any text: summaries, answers, labels."""

    kind: str = config.setting("translation", help="what is learnt", choices=TASKS)
    prefix: str = config.setting("", help="text before every source, which tells a model of several tasks what to do")
    block: int = config.setting(128, help="tokens of a row where texts are cut or packed into rows", minimum=2)
    packed: bool = config.setting(False, help="put short texts side by side into rows, none of which sees another")
    temperature: float = config.setting(0.05, help="of similarities in contrastive learning", minimum=1e-6)
    coverage: float = config.setting(
        0.0, help="λ: over a caption, look at each cell of the picture about once (Xu et al. 2015)", minimum=0.0
    )
    masking: Masking = field(default_factory=Masking)
    spans: SpanNoise = field(default_factory=SpanNoise)
    infilling: InfillNoise = field(default_factory=InfillNoise)


@dataclass(frozen=True)
class InitSettings:
    """Where the weights come from, where not from chance: a run, a folder or a hub name of a public checkpoint."""

    checkpoint: str | None = config.setting(None, help="begin with these weights, family, sizes and tokenizers")
    new_tokens: tuple[str, ...] = config.setting((), help="words to add to the vocabulary of the checkpoint")
    freeze: tuple[str, ...] = config.setting((), help="weights whose names begin so stay as they are")
    lora_rank: int = config.setting(0, help="learn low-rank changes of this rank only; 0: learn the weights", minimum=0)
    lora_alpha: float = config.setting(16.0, help="the changes count alpha / rank", minimum=0.0)
    lora_targets: tuple[str, ...] = config.setting(("query", "value"), help="linear maps that get such a change")

    def __post_init__(self) -> None:
        """Check how the settings fit together. Raises SettingError."""
        for name, given in (("new_tokens", self.new_tokens), ("lora_rank", self.lora_rank)):
            if given and self.checkpoint is None:
                got = f"{given} without a checkpoint"
                raise SettingError.because(name, got, "weights to begin with", "give --init RUN_OR_CHECKPOINT")
        if self.new_tokens and self.lora_rank:
            got = "new words with low-rank changes, which leave the embeddings as they are"
            raise SettingError.because("new_tokens", got, "one of them", "leave new_tokens or lora_rank out")


@dataclass(frozen=True)
class DataSettings:
    """Where the text is. Without validation files, some of the training data is held out."""

    source: str | None = config.setting(None, help="training text to translate from")
    target: str | None = config.setting(None, help="its translation, line by line")
    valid_source: str | None = config.setting(None, help="validation text to translate from")
    valid_target: str | None = config.setting(None, help="its translation, line by line")
    text: str | None = config.setting(None, help="training text, or a table with columns of texts and labels")
    valid_text: str | None = config.setting(None, help="validation text, or such a table")
    images: str | None = config.setting(
        None, help="training pictures: a folder a class, a table that names them, or COCO boxes"
    )
    valid_images: str | None = config.setting(None, help="the same for validation")
    image_column: str = config.setting("image", help="the table's column of picture files, relative to the table")
    unit: str = config.setting("line", help="what one text is in a file of plain text", choices=UNITS)
    text_column: str = config.setting("text", help="the table's column of texts: a name, or a number from 1")
    second_column: str | None = config.setting(None, help="the column of a second text, for pairs")
    language_column: str | None = config.setting(
        None, help="the table's column of languages, where a model is to write several"
    )
    label_column: str = config.setting("label", help="the column of labels")
    labels: int | None = config.setting(None, help="learn from so many labelled texts only", minimum=1)
    valid_pairs: int | None = config.setting(
        None, help="examples held out, at most a half; without it 1000, at most a twentieth", minimum=1
    )
    bleu_sentences: int = config.setting(200, help="validation sentences translated for BLEU as it goes", minimum=0)
    max_tokens: int = config.setting(256, help="longer texts are left out of training, or cut", minimum=1)
    bad_text: str = config.setting(
        "fail", help="bytes that are not UTF-8: stop, or drop (leave the text and its partner out)", choices=BAD_TEXT
    )


@dataclass(frozen=True)
class Recipe:
    """All settings. ``model`` is the family's own dataclass."""

    family: str
    model: Any
    task: TaskSettings = field(default_factory=TaskSettings)
    init: InitSettings = field(default_factory=InitSettings)
    data: DataSettings = field(default_factory=DataSettings)
    images: ImageSettings = field(default_factory=ImageSettings)
    cleaning: Cleaning = field(default_factory=Cleaning)
    tokenizer: TokenizerSettings = field(default_factory=TokenizerSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    decode: DecodingSettings = field(default_factory=DecodingSettings)

    def to_toml(self) -> str:
        """The complete recipe, which ``recipe_from`` reads back to an equal one."""
        return config.to_toml(self)


SECTIONS: Mapping[str, type[Any]] = {
    "task": TaskSettings,
    "init": InitSettings,
    "data": DataSettings,
    "images": ImageSettings,
    "cleaning": Cleaning,
    "tokenizer": TokenizerSettings,
    "train": TrainSettings,
    "decode": DecodingSettings,
}


def recipe_from(table: Mapping[str, Any], size: str | None = None) -> Recipe:
    """The recipe that a table describes; ``size`` names the model's size where the table does not.

    Without a size, and where the family has none of that name, it is the family's first.

    Raises SettingError with every problem, a line each.
    """
    known = ["family", "model", *SECTIONS]
    problems = [str(config.unknown_key(key, known)) for key in table if key not in known]
    parts: dict[str, Any] = {}
    for name, section in SECTIONS.items():
        try:
            parts[name] = config.build(section, _as_table(name, table.get(name, {})), f"{name}.")
        except SettingError as error:
            problems.append(str(error))
    family, kind = _family_and_kind(table)
    if "task" in parts:
        parts["task"] = dataclasses.replace(parts["task"], kind=kind)
    try:
        parts["model"] = _model(family, _as_table("model", table.get("model", {})), size)
    except SettingError as error:
        problems.append(str(error))
    if problems:
        raise SettingError("\n".join(problems))
    most = parts["model"].most_tokens
    if most is not None and "block" not in table.get("task", {}):
        parts["task"] = dataclasses.replace(parts["task"], block=min(parts["task"].block, most))
    recipe = Recipe(family=family.__name__.rpartition(".")[2], **parts)
    _check_task(recipe, family)
    return recipe


def laid_over(recipe: Recipe, table: Mapping[str, Any]) -> Recipe:
    """The recipe with the settings of a table, and those of a size that it names, laid over it. Raises SettingError."""
    if isinstance(model := table.get("model"), Mapping):
        table = {**table, "model": sized(families.get(recipe.family), model)}
    return recipe_from(config.merge(config.to_table(recipe), table))


def kind_of(table: Mapping[str, Any]) -> str:
    """What is learnt, by what a table says and what its data suggests."""
    return _family_and_kind(table)[1]


def _family_and_kind(table: Mapping[str, Any]) -> tuple[ModuleType, str]:
    """The family and the task that a table names, or that the data suggests."""
    tables = {name: table.get(name) for name in ("task", "data")}
    task, data = (found if isinstance(found, Mapping) else {} for found in tables.values())
    named = families.get(str(table["family"])) if "family" in table else None
    kind = task["kind"] if task.get("kind") in TASKS else _kind_for(data, TASKS if named is None else named.TASKS)
    return named or families.get(FAMILY_FOR.get(kind, ENCODER)), kind


def _kind_for(data: Mapping[str, Any], able: Collection[str]) -> str:
    """Pictures and labels are classified, one text is written on, two are translated: as the family is ``able`` to.

    Where no data is named, it is the family's first task.
    """
    if not data.keys() & {"images", "label_column", "text", "source", "target"}:
        return next(iter(able))
    likely = {"images": FROM_IMAGES, "label_column": FROM_LABELS, "text": FROM_TEXT}
    kinds: tuple[str, ...] = next((found for key, found in likely.items() if key in data), FROM_PAIRS)
    return next((kind for kind in kinds if kind in able), kinds[0])


def _check_task(recipe: Recipe, family: Any) -> None:
    kind = recipe.task.kind
    if kind not in family.TASKS:
        able = ", ".join(name for name in families.names() if kind in families.get(name).TASKS)
        raise SettingError.because(
            "task.kind",
            f"{kind} with family {recipe.family}",
            f"one of {', '.join(family.TASKS)}",
            f"or take one of the families {able}",
        )
    most = recipe.model.most_tokens
    if kind in FROM_TEXT and most is not None and recipe.task.block > most:
        got = f"{recipe.task.block} with positions for {most}"
        raise SettingError.because("task.block", got, "no more", f"use {most}, or raise model.longest")


def _model(family: Any, table: Mapping[str, Any], size: str | None) -> Any:
    """The family's settings: those of a size by name, with the table's own laid over them.

    A written recipe has all of its own: what it lacks is None, whatever a size says.
    """
    own = sized(family, table)
    if not all(field.name in own or field.default is None for field in dataclasses.fields(family.Config)):
        own = sized(family, {"size": size if size in family.SIZES else next(iter(family.SIZES)), **own})
    return config.build(family.Config, own, "model.")


def sized(family: Any, table: Mapping[str, Any]) -> dict[str, Any]:
    """A model's settings with those of the size that they name, if any, laid under them. Raises SettingError."""
    own = dict(table)
    if "size" not in own:
        return own
    name = own.pop("size")
    if not isinstance(name, str) or name not in family.SIZES:
        action = "use one of these, or set model.layers, model.d_model and so on"
        raise SettingError.because("model.size", repr(name), "one of " + ", ".join(family.SIZES), action)
    return config.merge(config.to_table(family.SIZES[name]), own)


def _as_table(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingError.because(name, repr(value), "a table", f"write [{name}] or {name}.key=value")
    return value


def label_smoothing(recipe: Recipe) -> float:
    """ε_ls: what the recipe says, else the paper's for translation, and none for other tasks."""
    given = recipe.train.label_smoothing
    if given is not None:
        return given
    return SMOOTHING if recipe.task.kind == "translation" else 0.0


def describe(recipe: Recipe) -> list[tuple[str, str, Any]]:
    """Every setting as (dotted name, help, value)."""
    sections = {**SECTIONS, "model": type(recipe.model)}
    rows = [row for name, section in sections.items() for row in config.describe(section, f"{name}.")]
    return [(name, text, attrgetter(name)(recipe)) for name, text, _ in rows]


def with_train(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with some training settings changed."""
    return dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, **changes))
