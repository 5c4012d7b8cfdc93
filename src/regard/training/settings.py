"""How a model is trained: every key under ``train.`` in a recipe."""

from __future__ import annotations

from dataclasses import dataclass

from regard.config import setting
from regard.training.optimizer import OPTIMIZERS, Rates
from regard.training.schedule import SCHEDULES


@dataclass(frozen=True)
class TrainSettings:
    """The defaults are the paper's (section 5), except where a run of minutes on a small machine wants another."""

    steps: int | None = setting(
        None, help="updates of the weights; if not given, epochs or the budget decide", minimum=1
    )
    epochs: int | None = setting(None, help="passes over the data, instead of steps", minimum=1)
    budget: str | None = setting(None, help="time for everything, such as 20m or 1h30m, instead of steps")
    batch_tokens: int = setting(4096, help="padded tokens a batch, of the longer side", minimum=1)
    accumulate: int = setting(1, help="batches whose gradients make one update", minimum=1)
    optimizer: str = setting(
        "adam", help="adam (the paper), adamw, or muon (for the matrices of blocks)", choices=OPTIMIZERS
    )
    beta1: float = setting(0.9, help="Adam's decay of the mean gradient", minimum=0.0, below=1.0)
    beta2: float = setting(0.98, help="Adam's decay of the mean squared gradient", minimum=0.0, below=1.0)
    epsilon: float = setting(1e-9, help="Adam's ε", minimum=0.0)
    weight_decay: float = setting(0.0, help="pull of the weights towards zero", minimum=0.0)
    clip: float = setting(1.0, help="largest norm of the gradient; 0 is no limit (the paper)", minimum=0.0)
    schedule: str = setting(
        "cosine", help="of the learning rate: paper is equation 3; cosine and linear end at 0", choices=tuple(SCHEDULES)
    )
    learning_rate: float | None = setting(
        None,
        help="peak; if not given, that of equation 3, but at most 0.001 (norm=pre: 0.002) in other schedules",
        minimum=0.0,
    )
    layer_decay: float = setting(
        1.0,
        help="each block learns at so many times the rate of the one above it, and the last of the head; not in a CNN",
        minimum=1e-6,
    )
    slower: tuple[str, ...] = setting(
        (), help='weights whose names begin so learn more slowly; of a DETR that has learnt, ["backbone."]'
    )
    slower_factor: float = setting(0.1, help="times the rate, for these", minimum=0.0, maximum=1.0)
    warmup: int | None = setting(
        None, help="steps of linear rise; if not given, a tenth of all, at most 4000", minimum=1
    )
    label_smoothing: float | None = setting(
        None, help="ε_ls of section 5.4; if not given, 0.1 for translation and else none", minimum=0.0, below=1.0
    )
    precision: str = setting("auto", help="of the products", choices=("auto", "float32", "bfloat16"))
    device: str = setting(
        "cpu", help="where the model learns: cpu, or cuda, which is not tried out yet", choices=("cpu", "cuda")
    )
    seed: int = setting(1, help="of weights, order and dropout", minimum=0)
    threads: int = setting(0, help="processor threads; 0 takes every core", minimum=0)
    save_every: int | None = setting(None, help="steps between checkpoints; 12 checkpoints if not given", minimum=1)
    validate_every: int | None = setting(None, help="steps between validations; as save_every if not given", minimum=1)
    keep_last: int = setting(5, help="newest checkpoints that stay on disk", minimum=1)
    average: str = setting(
        "auto",
        help="what is kept: the mean of the last or best checkpoints, the running average, or the final weights "
        "(none); auto: none where the schedule ends at 0, else last (the paper)",
        choices=("auto", "last", "best", "running", "none"),
    )
    average_count: int = setting(5, help="checkpoints in that mean (the paper: 5, big 20)", minimum=1)
    average_decay: float = setting(0.999, help="of the running average", minimum=0.0, below=1.0)
    patience: int | None = setting(None, help="validations without a better loss before stopping early", minimum=1)
    log_every: int = setting(10, help="steps between lines of metrics.jsonl", minimum=1)
    tensorboard: bool = setting(False, help="write TensorBoard events beside metrics.jsonl")

    @property
    def rates(self) -> Rates:
        """Which weights learn more slowly."""
        return Rates(self.layer_decay, self.slower, self.slower_factor)
