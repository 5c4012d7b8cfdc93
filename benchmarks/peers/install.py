"""Install the libraries that regard is measured beside, each into an environment of its own, with fixed versions.

    python benchmarks/peers/install.py FOLDER [transformers x-transformers eole]

What is there already is left alone. Each takes 1 to 1.5 GB, most of it torch. bench_peers.py finds them by --peers
FOLDER, and leaves out of its tables those that are not there. JoeyNMT, Sockeye, OpenNMT-py and fairseq are not among
them: none of them runs on this torch without patches.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

TORCH = "torch==2.13.0"
# torch.nn.Transformer and CTranslate2 are measured in the environment of transformers.
PEERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "transformers": ("transformers==5.23.0", "ctranslate2==4.8.5", "sentencepiece", "safetensors", "numpy"),
        "x-transformers": ("x-transformers==2.31.10", "safetensors", "numpy"),
        "eole": ("eole==0.6.4", "aiohttp"),  # it needs aiohttp, and does not say so
    }
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("peers", nargs="*", default=list(PEERS), metavar="PEER", help=", ".join(PEERS))
    options = parser.parse_args()
    for name in options.peers:
        if name not in PEERS:
            sys.exit(f"peer: got {name}; expected one of {', '.join(PEERS)}; use one of these")
        if interpreter(options.folder, name) is None:
            install(options.folder / name, PEERS[name])
        print(f"{name}: {interpreter(options.folder, name)}", flush=True)


def install(folder: Path, packages: tuple[str, ...]) -> None:
    """torch first, so that no other package chooses its build."""
    venv.create(folder, with_pip=True, clear=True)
    for wanted in ((TORCH,), (TORCH, *packages)):
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", *wanted], check=True)
    (folder / "complete").touch()


def interpreter(folder: Path | None, name: str) -> Path | None:
    """The Python of a peer's environment; None where it is not, or not wholly, installed."""
    if folder is None or not (folder / name / "complete").exists():
        return None
    return folder / name / "bin" / "python"


if __name__ == "__main__":
    main()
