"""Train with eole's own command, and say what its own log says: target tokens a second, and its peak memory.

    python benchmarks/peers/eole_log.py FOLDER --peers PEERS [--size tiny] [--steps 60] [--threads 2]

FOLDER is one of material.py's. eole cannot take our batches; it makes its own of the same pieces under the same budget,
on the same threads. The first reports, in which it warms up, are left out.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.arms import cores_here, environment
from peers.install import interpreter

from regard.data.tokenizers.tokenizer import Tokenizer
from regard.families.transformer import SIZES, Config

REPORT, WARM_UP = 5, 2  # steps a line of its log; lines that are left out
SETTINGS = """
save_data: {folder}/data
overwrite: true
seed: 1
report_every: {report}
src_vocab: {folder}/vocabulary.txt
tgt_vocab: {folder}/vocabulary.txt
vocab_size_multiple: 1
share_vocab: true
n_sample: 0
data:
  corpus: {{path_src: {folder}/source.txt, path_tgt: {folder}/target.txt}}
training:
  model_path: {folder}/model
  train_steps: {steps}
  valid_steps: 1000000
  save_checkpoint_steps: {steps}
  world_size: 0
  gpu_ranks: []
  batch_type: tokens
  batch_size: 4096
  batch_size_multiple: 1
  accum_count: [1]
  accum_steps: [0]
  compute_dtype: fp32
  optim: adam
  adam_beta2: 0.98
  learning_rate: 2
  decay_method: noam
  warmup_steps: 400
  bucket_size: 29000
  num_workers: 0
  dropout_steps: [0]
  dropout: [0.3]
  attention_dropout: [0.0]
  max_grad_norm: 0
  label_smoothing: 0.1
  param_init_method: xavier_uniform
  normalization: tokens
model:
  architecture: transformer
  hidden_size: {model.d_model}
  layers: {model.layers}
  heads: {model.heads}
  transformer_ff: {model.d_ff}
  share_embeddings: true
  share_decoder_embeddings: true
  embeddings: {{word_vec_size: {model.d_model}, position_encoding_type: SinusoidalInterleaved}}
"""


def main() -> None:
    options = parse()
    python = interpreter(options.peers, "eole")
    if python is None:
        sys.exit("eole: got none in --peers; expected what install.py makes; run it, or leave eole out")
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        write_inputs(folder, options.folder, SIZES[options.size], options.steps)
        start = "import sys; from eole.bin.main import main; main()"
        command = [str(python), "-c", start, "train", "-config", str(folder / "settings.yaml")]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment(options.threads, bound=True),
        )
        log = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
    rates = [float(rate) for rate in re.findall(r"/\s*(\d+) tok/s", log)][WARM_UP:]
    if status or not rates:
        sys.exit(f"eole: got no rates; expected some in its log, which ends so:\n{log[-800:]}")
    middle, peak = statistics.median(rates), used.ru_maxrss / 1024
    spread = f"{min(rates):,.0f}–{max(rates):,.0f}"
    print(f"eole, {options.size}, float32: {middle:,.0f} target tokens/s ({spread}), peak {peak:,.0f} MiB")


def write_inputs(folder: Path, material: Path, model: Config, steps: int) -> None:
    """The training text in our pieces, their list, and eole's settings."""
    tokenizer = Tokenizer.load(material / "tiny" / "tokenizer.json")
    for side in ("source", "target"):
        lines = (material / f"train.{side}").read_text(encoding="utf-8").splitlines()
        pieces = (tokenizer.pieces_of(ids) for ids in tokenizer.encode_batch(lines))
        (folder / f"{side}.txt").write_text("".join(f"{' '.join(line)}\n" for line in pieces), encoding="utf-8")
    known = [piece for piece in tokenizer.pieces_of(range(tokenizer.size)) if not piece.startswith("<")]
    (folder / "vocabulary.txt").write_text("".join(f"{piece}\t1\n" for piece in known), encoding="utf-8")
    settings = SETTINGS.format(folder=folder, report=REPORT, steps=steps, model=model)
    (folder / "settings.yaml").write_text(settings, encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--size", default="tiny", choices=["tiny", "tutorial"])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--threads", type=int, default=len(cores_here()) or os.cpu_count())
    return parser.parse_args()


if __name__ == "__main__":
    main()
