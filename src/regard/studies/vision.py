"""Convolution or patches (Dosovitskiy et al. 2021): what a CNN and a ViT make of few pictures, and of more.

Beside them a CNN with attention inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from regard.config import setting
from regard.looking.pictures import named
from regard.studies.frame.curve import Counted, accuracies, accuracy_table, drawn, gain, gain_fades, verdict
from regard.studies.frame.study import Findings, Order, Picture, Study, Table
from regard.studies.frame.summary import told
from regard.studies.frame.verdict import Difference, share_of
from regard.studies.picture_classes.classes import Lesson, Material, Sight, learnt, of_files, of_shapes
from regard.training.settings import TrainSettings

CNN, BOTH, VIT = "convolution", "convolution + attention", "ViT"
COUNTED = Counted("pictures", "pictures")
CONVOLUTIONS = {"depths": [1, 1, 1], "widths": [16, 32, 64], "block": "basic", "stem_width": 16, "stem": "small"}
PATCHES = {"layers": 2, "d_model": 64, "d_ff": 128, "heads": 4, "patch": 4}
SIGHTS: Mapping[str, Sight] = {
    CNN: Sight("resnet", CONVOLUTIONS, 3e-3),
    BOTH: Sight("resnet", {**CONVOLUTIONS, "attention": [2]}, 3e-3),
    VIT: Sight("vit", PATCHES, 3e-3),
}
EXAMPLES = 12  # of the pictures, on the page


@dataclass(frozen=True)
class Vision:
    """What the study does."""

    sights: Mapping[str, Sight] = field(default_factory=lambda: SIGHTS)
    pictures: tuple[int, ...] = setting((100, 300, 1000, 3000, 10_000), help="pictures to learn from, rising")
    test_pictures: int = setting(2000, help="pictures to test with", minimum=2)
    steps: int = setting(2000, help="updates, as many of each model from each number of pictures", minimum=1)
    batch: int = setting(32, help="pictures a batch", minimum=1)
    weight_decay: float = setting(0.05, help="of AdamW", minimum=0.0)

    def lesson(self, rate: float, seed: int) -> Lesson:
        """How one of the models learns."""
        plan = TrainSettings(
            steps=self.steps,
            learning_rate=rate,
            optimizer="adamw",
            weight_decay=self.weight_decay,
            seed=seed,
            precision="float32",
        )
        return Lesson(plan, self.batch)


FULL = Vision()
QUICK = replace(FULL, pictures=(100, 300, 1000, 3000), test_pictures=500, steps=400)

Hits = dict[str, dict[int, list[np.ndarray]]]  # by arm and number of pictures: an array a seed


def run(order: Order) -> Findings:
    """Do the study. Raises DataError for pictures that are too few."""
    settings = QUICK if order.quick else FULL
    most = max(settings.pictures)
    if order.images is None:
        material = of_shapes(most, settings.test_pictures, order.seed)
    else:
        material = of_files(order.images, most, settings.test_pictures, order.seed)
    counts = [count for count in settings.pictures if count <= len(material.train)]
    found: Hits = {arm: {count: [] for count in counts} for arm in settings.sights}
    for seed in order.seeds:
        pictures = material.train.chosen_first(seed)
        for count in counts:
            few = pictures.some(np.arange(count))
            for arm, sight in settings.sights.items():
                order.watch.begin(f"{arm}, {count} pictures, seed {seed}", settings.steps)
                lesson = settings.lesson(sight.rate, seed)
                found[arm][count].append(learnt(sight, few, material, lesson, order.watch))
    return _findings(order, settings, material, found)


def _findings(order: Order, settings: Vision, material: Material, found: Hits) -> Findings:
    whole, fades = (measure(found[VIT], found[CNN], COUNTED) for measure in (gain, gain_fades))
    inside = gain(found[CNN], found[BOTH], COUNTED)
    numbers = {
        "chance": material.chance,
        "accuracy": accuracies(found),
        "convolution minus ViT": asdict(whole),
        "with few minus with many": asdict(fades),
        "attention inside minus convolution alone": asdict(inside),
    }
    return Findings(
        _sentence(found, whole, fades, inside),
        numbers,
        [accuracy_table(found, VIT, CNN, material.chance, COUNTED), _weights(settings, material)],
        [drawn(found, material.chance, "vision", "By the number of pictures", COUNTED), _examples(material)],
        told(order, settings, pictures=material.name),
        _NOTES,
        verdict(whole, fades),
    )


def _sentence(found: Hits, whole: Difference, fades: Difference, inside: Difference) -> str:
    ends = " and ".join(
        f"{n:,} pictures {_percent(found[CNN][n])} and {_percent(found[VIT][n])} %"
        for n in (min(found[CNN]), max(found[CNN]))
    )
    return (
        f"Over all numbers of pictures convolution is {whole.way('better', 'worse')} than ViT, {whole.text('points')}; "
        f"with few pictures its lead is {fades.way('larger', 'smaller')} than with many, {fades.text('points')}. Of "
        f"the test's pictures the two are right, with {ends}. Attention inside the CNN is "
        f"{inside.way('better', 'worse')} than convolution alone, {inside.text('points')}."
    )


def _percent(groups: Sequence[np.ndarray]) -> str:
    return share_of(groups).text()


def _weights(settings: Vision, material: Material) -> Table:
    counts = {
        arm: sum(weight.numel() for weight in sight.build(material.labels).parameters())
        for arm, sight in settings.sights.items()
    }
    rows = [(arm, f"{count:,}", f"{settings.sights[arm].rate:g}") for arm, count in counts.items()]
    return Table("The models", ("model", "weights", "learning rate"), rows)


def _examples(material: Material) -> Picture:
    rows = np.arange(min(EXAMPLES, len(material.test)))
    some = material.test.some(rows)
    figure = named(list(some.pixels.transpose(0, 2, 3, 1)), [material.labels[index] for index in some.classes])
    return Picture("examples", figure, "Some of the test's pictures, as the models read them.")


_NOTES = (
    "The rule: the claim holds where convolution's lead over all numbers of pictures together (the area between the "
    "two curves, pictures on a logarithmic axis) is surely above 0, and the mean lead with the fewer half of these "
    "numbers surely above that with the other half; it does not where ViT surely leads. Otherwise the verdict is left "
    "open: with so few pictures that neither learns there is no lead to have.",
    "Every model has as many updates from every number of pictures, the same pictures in the same order, moved and "
    "mirrored alike. With more updates ViT might come nearer.",
    "Pictures are squares of 32 pixels here, and models small. The paper's curves go from a million pictures to 300 "
    "million; what is tried here is its first part.",
)

STUDY = Study(
    "vision",
    "Vision",
    "How many pictures do patches need to see what convolution sees?",
    run,
    takes=("images",),
    claim="With few pictures a ViT is behind convolution, whose built-in locality it must learn; with more of them the "
    "gap closes. (Dosovitskiy et al. 2021, section 4.3, figures 3 and 4)",
)
