"""A new family is one file: put into the folder of families, it is there, and everything works with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "regard"

# GPT-2 with ALiBi (Press et al. 2022): no places in the embedding, distances in the scores, and so no longest text.
CHANGES = [
    ('MODEL_TYPES = ("gpt2",)', 'MODEL_TYPES = ("gpt-alibi",)'),
    ('"model_type": "gpt2"', '"model_type": "gpt-alibi"'),
    (
        "from regard.layers.position import LearnedPositions\n",
        "from regard.layers.position import NoPositions\nfrom regard.layers.relative import LinearBias\n",
    ),
    ("LearnedPositions(config.longest, config.d_model)", "NoPositions()"),
    ("Encoder(embed, blocks, norm())", "Encoder(embed, blocks, norm(), LinearBias(config.heads))"),
    ('    ("stack.embed.positions", "wpe"),\n', ""),
]

# Everything that a family is asked for, without a word of which family it is.
USE = """
import json, pathlib, sys
import torch
from safetensors.torch import load_file, save_file
from regard import families
from regard.decoding.greedy import greedy_search
from regard.decoding.settings import DecodingSettings
from regard.models.heads import LANGUAGE
from regard.models.public import public_weights, put_public_weights

folder = pathlib.Path(sys.argv[1])
name = families.reading("gpt-alibi")
assert name == "alibi" and name in families.names()
family = families.get(name)
ids = family.vocabulary(30, 30, shared=True, roles={"bos": 0, "eos": 0, "pad": 29})
torch.manual_seed(0)
model = family.build(family.TOY, ids).eval()
for weight in model.parameters():
    torch.nn.init.normal_(weight, std=0.3)
(folder / "config.json").write_text(json.dumps(family.public_config(family.TOY, ids)))
save_file(public_weights(model, family.public_form(family.TOY, ids), LANGUAGE), folder / "model.safetensors")

tensors = load_file(folder / "model.safetensors")
config, vocabulary, head = family.read_public_config(json.loads((folder / "config.json").read_text()), tensors)
assert (config, vocabulary, head) == (family.TOY, ids, LANGUAGE), (config, vocabulary, head)
again = family.build(config, vocabulary, head).eval()
put_public_weights(again, family.public_form(config, vocabulary, head), tensors)

prompts = torch.tensor([[5, 6, 7, 8], [9, 10, 29, 29]])
limits = torch.tensor([70, 70])  # 74 tokens: more than a table of 64 places could hold
written = greedy_search(again, prompts, limits, DecodingSettings(beam=1), continues=True)
for prompt, (found,) in zip(([5, 6, 7, 8], [9, 10]), written, strict=True):
    text = prompt + list(found.ids)
    best = model.logits(model(torch.tensor([text])))[0].argmax(-1).tolist()
    assert best[len(prompt) - 1 : -1] == list(found.ids), (best, text)
    assert len(found.ids) == 70 or best[-1] == 0
print("written", *(len(found.ids) for (found,) in written))
"""


def varied(source: str) -> str:
    for old, new in CHANGES:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return source


@pytest.fixture
def copy(tmp_path) -> Path:
    """The package as it is, to which one file is added and nothing else."""
    package = tmp_path / "regard"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "families" / "alibi.py").write_text(varied((PACKAGE / "families" / "gpt2.py").read_text()))
    return package


def test_a_new_family_of_decoders_touches_one_file(copy, tmp_path):
    folder = tmp_path / "saved"
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(copy.parent), "OMP_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, "-c", USE, str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("written")
    added = {path.relative_to(copy) for path in copy.rglob("*.py")} - {
        path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")
    }
    assert added == {Path("families/alibi.py")}
