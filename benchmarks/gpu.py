"""Everything that is to be known of training on a GPU, in one call: GPU.md says what it is for, and keeps the results.

    python benchmarks/gpu.py --out DIR --data DATA [--only speed attention precision shakespeare multi30k] [--dry]

Each part runs in a process of its own, with a time limit of its own, and writes DIR/PART.json when it is done; a part
that fails says so and the others go on. DATA holds multi30k_tok/ and tinyshakespeare/input.txt. --dry does the same
with tiny models, a few steps and made-up text on a processor, to see that every part runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import plain
import torch
from gpu_runs import multi30k, shakespeare
from limits import step_flops

from regard.data.batching import Batch, TextBatch
from regard.families import gpt2, transformer
from regard.layers import attention as attention_module
from regard.models.vocabulary import Vocabulary, joint_vocabulary
from regard.tasks.next_token import NextToken
from regard.tasks.translation import Translation
from regard.training.loop import Feed, Trainer
from regard.training.schedule import Schedule
from regard.training.settings import TrainSettings

Found = dict[str, Any]
WARM_UP, STEPS = 5, 20
PAIR_LENGTH, PAIR_TOKENS, PIECES = 32, 25_000, 37_000  # section 5.1: batches of 25,000 tokens, 37,000 pieces
GPT_LENGTH, GPT_ROWS, GPT_PIECES = 1024, 32, 50_257
MINUTES: Mapping[str, int] = MappingProxyType(
    {"speed": 10, "attention": 3, "precision": 5, "shakespeare": 15, "multi30k": 60}
)
# Dense bfloat16 TFLOP/s of the makers' data sheets, for those whose name says which they are.
DATA_SHEET: Mapping[str, float] = MappingProxyType({"H100": 989, "H200": 989, "A100": 312, "4090": 165, "L4": 121})


def main() -> None:
    options = parse()
    if options.part:
        print(json.dumps(PARTS[options.part](options)))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for part in options.only:
        in_child(part, options)


def in_child(part: str, options: argparse.Namespace) -> None:
    """Run one part; what it found goes to its file and, as a table, to the screen."""
    command = [sys.executable, __file__, "--part", part, "--out", options.out, *(["--dry"] if options.dry else [])]
    command += ["--data", options.data] if options.data else []
    began = time.perf_counter()
    try:
        limit = 60 * MINUTES[part]
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, check=True, text=True, timeout=limit)
        found = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        found = [{"failed": str(error).splitlines()[0]}]
    (options.out / f"{part}.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"\n## {part}, {time.perf_counter() - began:.0f} s\n")
    names = list(dict.fromkeys(name for row in found for name in row))
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for row in found:
        print(f"| {' | '.join(str(row.get(name, '')) for name in names)} |", flush=True)


def device_of(options: argparse.Namespace) -> str:
    if options.dry:
        return "cpu"
    if not torch.cuda.is_available():
        sys.exit("GPU: got none; expected one that torch.cuda sees; use --dry to try the script without")
    return "cuda"


def train_settings(device: str, precision: str) -> TrainSettings:
    known = {field.name for field in dataclasses.fields(TrainSettings)}
    if "device" in known:
        return TrainSettings(precision=precision, clip=0.0, device=device)
    if device == "cuda":
        sys.exit("train.device: got a Trainer without it; expected one that moves to a GPU; see benchmarks/GPU.md")
    return TrainSettings(precision=precision, clip=0.0)


def speed(options: argparse.Namespace) -> list[Found]:
    """Tokens a second and the share of the device's products, ours and plain PyTorch's, eager and compiled."""
    device = device_of(options)
    peak = product_rate(device, 512 if options.dry else 8192)
    rows = [{"model": f"product of bfloat16 matrices, {device_name(device)}", "TFLOP/s": round(peak, 1)}]
    ways = ("eager", "compiled") if options.dry else ("eager", "compiled", "CUDA graphs")
    for name, (tokens, flops, makers) in subjects(options.dry).items():
        for maker, make in makers.items():
            for way in ways:
                rows.append({"model": name, "by": maker, "way": way, **attempt(make, device, way, tokens, flops, peak)})
    return rows


def attempt(make: Callable, device: str, way: str, tokens: int, flops: float, peak: float) -> Found:
    try:
        step = make(device, way, "bfloat16" if device == "cuda" else "float32")
        seconds = median_seconds(step)
    except Exception as error:  # a way that does not work is a result too
        return {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:120]}
    found = {"tokens/s": round(tokens / seconds), "ms": round(1000 * seconds, 1), "TFLOP/s": 1e-12 * flops / seconds}
    found |= {"of products": f"{found['TFLOP/s'] / peak:.1%}", "TFLOP/s": round(found["TFLOP/s"], 2)}
    sheet = next((rate for name, rate in DATA_SHEET.items() if name in device_name(device)), None)
    found |= {"of the data sheet": f"{1e-12 * flops / seconds / sheet:.1%}"} if sheet else {}
    if device == "cuda":
        found["peak GiB"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
        torch.cuda.reset_peak_memory_stats()
    return found


def subjects(dry: bool) -> dict[str, tuple[int, float, dict[str, Callable]]]:
    """Of each model: the tokens of a step, its floating-point operations, and who makes a step."""
    found = {}
    for name, config in {"paper base": transformer.BASE, "paper big": transformer.SIZES["big"]}.items():
        config = transformer.TOY if dry else config
        count = 4 if dry else PAIR_TOKENS // PAIR_LENGTH
        flops = step_flops(config, PIECES, [(PAIR_LENGTH, PAIR_LENGTH)] * count)
        sizes = plain.Sizes(config.layers, config.d_model, config.heads, config.d_ff, PIECES)
        found[name] = count * PAIR_LENGTH, flops, makers_of_pairs(config, sizes, count)
    config = gpt2.TOY if dry else gpt2.BASE
    config = dataclasses.replace(config, dropout=0.0, embedding_dropout=0.0, attention_dropout=0.0)
    length, count = (config.longest, 2) if dry else (GPT_LENGTH, GPT_ROWS)
    sizes = plain.Sizes(config.layers, config.d_model, config.heads, config.inner, GPT_PIECES)
    weights = sizes.layers * (4 * sizes.d_model**2 + 2 * sizes.d_model * sizes.d_ff) + GPT_PIECES * sizes.d_model
    flops = 6.0 * length * count * (weights + 2 * sizes.layers * sizes.d_model * length)
    name = f"GPT-2 124M, {GPT_LENGTH} tokens"
    found[name] = length * count, flops, makers_of_texts(config, sizes, length, count)
    return found


def makers_of_pairs(config: Any, sizes: plain.Sizes, count: int) -> dict[str, Callable]:
    generator = torch.Generator().manual_seed(1)
    source, target = torch.randint(1, PIECES - 1, (2, count, PAIR_LENGTH), generator=generator)

    def ours(device: str, way: str, precision: str) -> Callable[[], object]:
        batch = Batch(source, target, source.numel(), target.numel())
        model = transformer.build(config, joint_vocabulary(PIECES))
        return our_step(model, Translation(0.1), batch, train_settings(device, precision), way)

    def theirs(device: str, way: str, precision: str) -> Callable[[], object]:
        return plain.stepper(plain.EncoderDecoder(sizes, config.dropout), device, (source, target), way)

    return {"regard": ours, "plain PyTorch": theirs}


def makers_of_texts(config: Any, sizes: plain.Sizes, length: int, count: int) -> dict[str, Callable]:
    ids = torch.randint(0, GPT_PIECES, (count, length + 1), generator=torch.Generator().manual_seed(1))
    ids, labels = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()

    def ours(device: str, way: str, precision: str) -> Callable[[], object]:
        vocabulary = Vocabulary.of_texts(GPT_PIECES, {"eos": GPT_PIECES - 1})
        batch = TextBatch(ids, labels, None, labels.numel())
        return our_step(gpt2.build(config, vocabulary), NextToken(), batch, train_settings(device, precision), way)

    def theirs(device: str, way: str, precision: str) -> Callable[[], object]:
        return plain.stepper(plain.GPT(sizes, length), device, (ids, labels), way)

    return {"regard": ours, "plain PyTorch": theirs}


def our_step(model: Any, task: Any, batch: Any, settings: TrainSettings, way: str) -> Callable[[], object]:
    plain.compile_in(model, way, getattr(settings, "device", "cpu"))
    feed = Feed(epoch=lambda _: [torch.zeros(1).numpy()], collate=lambda _: batch)
    trainer = Trainer(model, task, feed, Schedule("constant", 1e-4, 10, 1000), settings)
    return lambda: list(trainer.steps(trainer.step + 1))


def attention(options: argparse.Namespace) -> list[Found]:
    """Milliseconds of attention with its backward pass: fused, and in plain products."""
    device = device_of(options)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    shapes = (
        ((2, 2, 8, 8, 4),) if options.dry else ((781, 8, 32, 32, 64), (98, 8, 256, 256, 64), (32, 12, 1024, 1024, 64))
    )
    rows = []
    usual = attention_module.fused_is_faster
    for shape in shapes:
        rows.append({"shape": "×".join(map(str, shape))})
        for name, fused in (("fused ms", True), ("plain ms", False)):
            attention_module.fused_is_faster = lambda _, answer=fused: answer
            rows[-1][name] = round(1000 * median_seconds(attention_step(shape, device, dtype)), 3)
    attention_module.fused_is_faster = usual
    return rows


def attention_step(shape: tuple[int, ...], device: str, dtype: torch.dtype) -> Callable[[], object]:
    sentences, heads, target, source, width = shape
    query = torch.randn(sentences, heads, target, width, device=device, dtype=dtype, requires_grad=True)
    key, value = (torch.randn(sentences, heads, source, width, device=device, dtype=dtype) for _ in range(2))
    mask = torch.ones(sentences, 1, 1, source, dtype=torch.bool, device=device)
    mask[..., -2:] = False
    key.requires_grad_(), value.requires_grad_()

    def step() -> None:
        attention_module.attention(query, key, value, mask=mask).sum().backward()
        query.grad.flatten()[0].item()  # waits for the device

    return step


def precision(options: argparse.Namespace) -> list[Found]:
    """The paper's base model in float32 and in bfloat16 over float32 weights: speed, and the loss after the steps."""
    device = device_of(options)
    tokens, _, makers = next(iter(subjects(options.dry).values()))
    rows = []
    for name in ("float32", "bfloat16"):
        torch.manual_seed(1)
        step = makers["regard"](device, "eager", name)
        seconds = median_seconds(step)
        rows.append({"precision": name, "tokens/s": round(tokens / seconds), "loss": round(step()[-1].loss, 4)})
    return rows


def median_seconds(step: Callable[[], object]) -> float:
    warm_up, count = (WARM_UP, STEPS) if torch.cuda.is_available() else (1, 2)
    for _ in range(warm_up):
        step()
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        step()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def product_rate(device: str, size: int) -> float:
    """TFLOP/s of a large product of bfloat16 matrices."""
    left, right = torch.randn(2, size, size, device=device).bfloat16()
    return 2e-12 * size**3 / median_seconds(lambda: (left @ right)[0, 0].item())


def device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else "a processor, which says nothing about a GPU"


PARTS: Mapping[str, Callable[[argparse.Namespace], list[Found]]] = MappingProxyType(
    {
        "speed": speed,
        "attention": attention,
        "precision": precision,
        "shakespeare": lambda options: shakespeare(options.out, options.data, device_of(options)),
        "multi30k": lambda options: multi30k(options.out, options.data, device_of(options)),
    }
)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="needed by shakespeare and multi30k, unless --dry")
    parser.add_argument("--only", nargs="+", default=list(PARTS), choices=list(PARTS))
    parser.add_argument("--dry", action="store_true")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
