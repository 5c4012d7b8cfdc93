"""Where the time of a training step goes: by part of the model, forward and backward, and by kind of operation.

    python benchmarks/profile_step.py [--size tiny] [--precision float32] [--batch-tokens 4096] [--threads 2]

The batches are those of bench_training.py. Each operation counts for the innermost part around it; an operation of the
backward pass for the part that its forward operation was in (torch.profiler numbers the pairs). Milliseconds a step,
means over the steps; the profiler itself slows a step by some percent, which the first line tells.
"""

from __future__ import annotations

import argparse
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from unittest import mock

import bench_training
import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from regard.families import transformer
from regard.training.loop import Trainer

MARK = "part: "
LOOP, LOSS, REST = "the loop itself", "output layer and loss", "masks, and the rest of the model"
MODULES = (
    (r"(en|de)coder\.embed", "embeddings"),
    (r"encoder\.blocks\.\d+\.self_attention", "encoder self-attention"),
    (r"decoder\.blocks\.\d+\.self_attention", "decoder self-attention"),
    (r"decoder\.blocks\.\d+\.cross_attention", "decoder cross-attention"),
    (r"(en|de)coder\.blocks\.\d+\.feed_forward", "feed-forward"),
    (r"(en|de)coder\.blocks\.\d+\.around_\w+", "residual sums, dropout, norms"),
    (r"", REST),
)
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "products": r"aten::(addmm|mm|bmm|baddbmm|matmul|linear|addmm_|mkldnn_linear|_scaled_dot_product_\w+)$",
        "our own functions": r"_[A-Z]\w+$",
        "random numbers": r"aten::(random_|bernoulli_?|uniform_|normal_|native_dropout|rand\w*)$",
        "exponentials": r"aten::(_?(log_)?softmax|_(log_)?softmax_backward_data|exp_?|log_?|logsumexp)$",
        "norms": r"aten::(native_layer_norm|native_layer_norm_backward|layer_norm|_fused_rms_norm\w*|rms_norm)$",
        "optimizer": r"aten::(_fused_adam\w*|_foreach_\w+|linalg_vector_norm)$|Optimizer",
        "copies, casts, new memory": r"aten::(copy_|clone|contiguous|cat|_to_copy|to|fill_|zero_|zeros\w*|empty\w*)$",
        "look-ups and masks": r"aten::(_?index\w*|gather|scatter\w*|embedding\w*|masked_\w+|where|nonzero\w*)$",
        "sums, factors, comparisons": r"aten::(sum|mean|add_?|sub_?|rsub|mul_?|div_?|neg|g[et]|l[et]|eq|ne|relu|"
        r"threshold\w*|clamp\w*|bitwise_\w+)$",
        "views": r"aten::(view|reshape|_?unsafe_view|t|transpose|unflatten|flatten|as_strided|slice|select|expand|"
        r"unsqueeze|squeeze|permute|detach|alias|chunk|split\w*|narrow|resolve_conj|expand_as)$",
        "Python, and what the profiler does not see": MARK,
    }
)


def main() -> None:
    options = parse()
    if options.threads:
        torch.set_num_threads(options.threads)
    with mock.patch.object(bench_training, "BATCH_TOKENS", options.batch_tokens):
        batches = bench_training.synthetic_batches()
    trainer = bench_training.trainer(options.size, options.precision, batches)
    usual = [step.seconds for step in trainer.steps(2 + options.steps)][2:]
    mark(trainer)
    list(trainer.steps(trainer.step + 1))
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        watched = [step.seconds for step in trainer.steps(trainer.step + options.steps)]
    found = list(profiler.events())
    console = Console(width=140)
    console.print(f"{options.size}, {options.precision}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    alone, together = (1000 * statistics.median(seconds) for seconds in (usual, watched))
    console.print(f"a step takes {alone:.0f} ms, with the profiler {together:.0f} ms")
    console.print(table_of_parts(found, options.steps))
    console.print(table_of_kinds(found, options.steps, options.names))


def mark(trainer: Trainer) -> None:
    """Put a mark around every part of the model and of the loop."""
    for name, module in trainer.model.named_modules():
        part = next((part for pattern, part in MODULES if re.fullmatch(pattern, name)), None)
        if part:
            module.forward = marked(part, module.forward)
            if hasattr(module, "remember"):
                module.remember = marked(part, module.remember)
    trainer.task = Marked(LOSS, trainer.task.losses)
    trainer.feed = type(trainer.feed)(trainer.feed.epoch, marked("data", trainer.feed.collate))
    trainer.optimizer.step = marked("optimizer", trainer.optimizer.step)
    nn.utils.clip_grad_norm_ = marked("norm of the gradient", nn.utils.clip_grad_norm_)
    for name in ("publish", "collect_gradients"):
        setattr(trainer.weights, name, marked("rounding of the weights", getattr(trainer.weights, name)))


class Marked:
    """A task whose losses are marked."""

    def __init__(self, part: str, losses: Callable[..., Any]) -> None:
        self.losses = marked(part, losses)


def marked(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **named: Any) -> Any:
        with record_function(MARK + part):
            return work(*arguments, **named)

    return run


def part_of(event: Any) -> str:
    """The innermost mark around an operation."""
    while event is not None:
        if event.name.startswith(MARK):
            return event.name.removeprefix(MARK)
        event = event.cpu_parent
    return LOOP


def milliseconds(events: Sequence[Any]) -> Iterator[tuple[str, str, Any, float]]:
    """(part, "forward" or "backward", event, its own time) of every operation."""
    forward = {
        event.sequence_nr: part_of(event) for event in events if event.sequence_nr >= 0 and not within_backward(event)
    }
    for event in events:
        node = within_backward(event)
        if node is None:
            yield part_of(event), "forward", event, event.self_cpu_time_total / 1000
        else:
            part = forward.get(node.sequence_nr, "gathering of gradients")
            yield part, "backward", event, event.self_cpu_time_total / 1000


def within_backward(event: Any) -> Any | None:
    """The node of the backward pass that an operation belongs to."""
    found = None
    while event is not None:
        if event.name.startswith("autograd::engine::evaluate_function"):
            found = event
        event = event.cpu_parent
    return found


def table_of_parts(events: Sequence[Any], steps: int) -> Table:
    spent: Counter[tuple[str, str]] = Counter()
    for part, direction, _, took in milliseconds(events):
        spent[part, direction] += took / steps
    whole = spent.total()
    table = Table("part", title="By part", title_justify="left")
    for heading in ("forward ms", "backward ms", "share"):
        table.add_column(heading, justify="right")
    parts = {part for part, _ in spent}
    for part in sorted(parts, key=lambda part: -(spent[part, "forward"] + spent[part, "backward"])):
        both = spent[part, "forward"], spent[part, "backward"]
        table.add_row(part, *(f"{took:,.1f}" if took else "" for took in both), f"{sum(both) / whole:.1%}")
    ways = [sum(spent[part, way] for part in parts) for way in ("forward", "backward")]
    table.add_section()
    table.add_row("all", *(f"{took:,.1f}" for took in ways), "100%")
    return table


def table_of_kinds(events: Sequence[Any], steps: int, names: int) -> Table:
    """By kind, with the operations that take most of it: calls a step, and milliseconds."""
    spent: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for _, _, event, took in milliseconds(events):
        name = MARK if event.name.startswith((MARK, "autograd::")) else event.name
        spent[name] += took / steps
        calls[name] += 1
    whole = spent.total()
    by_kind: dict[str, list[str]] = {}
    for name in spent:
        by_kind.setdefault(kind_of(name), []).append(name)
    table = Table("kind", title="By kind of operation", title_justify="left")
    for heading in ("calls a step", "ms", "share"):
        table.add_column(heading, justify="right")
    table.add_column("most of it")
    for kind in sorted(by_kind, key=lambda kind: -sum(spent[name] for name in by_kind[kind])):
        members = sorted(by_kind[kind], key=lambda name: -spent[name])
        took = sum(spent[name] for name in members)
        most = ", ".join(f"{name.removeprefix('aten::')} {spent[name]:.1f}" for name in members[:names] if name != MARK)
        count = sum(calls[name] for name in members) / steps
        table.add_row(kind, f"{count:,.0f}", f"{took:,.1f}", f"{took / whole:.1%}", most)
    return table


def kind_of(name: str) -> str:
    return next((kind for kind, pattern in KINDS.items() if re.match(pattern, name)), "all else")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="tiny", choices=list(transformer.SIZES))
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--names", type=int, default=3, help="operations named of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    main()
