"""What an installed regard consists of: every package that it needs, and that those need, with version and licence."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]

# Installed only with torch's CUDA build on Linux. Their licences are written here as their packages tell them, since
# where the list is made they may not be installed (to renew: `pip install --dry-run --no-deps --report`). Two do not
# tell one thing, cuda-toolkit, which only names the others, and nvidia-nvtx: they are taken for NVIDIA's.
NVIDIA = "LicenseRef-NVIDIA-Proprietary"
CUDA_LICENCES = {"cuda-bindings": "Apache-2.0", "cuda-pathfinder": "Apache-2.0", "triton": "MIT"}
CUDA_NAME = re.compile(r"(nvidia|cuda)-.+|triton")

# How packages name their licences where they do not use SPDX, which the newer ones do.
SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "BSD": "BSD",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "PSFL": "PSF-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


@dataclass(frozen=True)
class Dependency:
    """A package. ``needs``: what it asks for itself. ``only_with``: when it is installed at all; "" always."""

    name: str
    version: str
    licence: str
    needs: tuple[str, ...] = ()
    only_with: str = ""


def runtime() -> list[Dependency]:
    """All that `pip install regard` brings here, in the order of names, and what it brings with torch's CUDA build."""
    waiting, found = needs_of(importlib.metadata.distribution("regard"), ()), dict[str, Dependency]()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or CUDA_NAME.fullmatch(name):
            continue
        package = importlib.metadata.distribution(name)
        needs = needs_of(package, tuple(requirement.extras))
        names = tuple(sorted({canonicalize_name(one.name) for one in needs}))
        found[name] = Dependency(name, package.version.partition("+")[0], licence_of(package), names)
        waiting += needs
    return [found[name] for name in sorted(found)] + with_cuda()


def needs_of(package: Distribution, extras: tuple[str, ...]) -> list[Requirement]:
    """What a package asks for on this system, with some of its extras."""
    told = [Requirement(text) for text in package.requires or []]
    return [
        one
        for one in told
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in (*extras, ""))
    ]


def with_cuda() -> list[Dependency]:
    """The pins that only torch's CUDA build asks for."""
    names = [one for one in pins().items() if CUDA_NAME.fullmatch(one[0])]
    return [
        Dependency(name, version, CUDA_LICENCES.get(name, NVIDIA), only_with="torch's CUDA build")
        for name, version in names
    ]


def pins() -> dict[str, str]:
    """constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.partition("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, _, version in pairs}


def licence_of(package: Distribution) -> str:
    """Its SPDX expression, or what comes nearest to one; "unknown" where it does not tell."""
    told = package.metadata
    if expression := told.get("License-Expression"):
        return str(expression)
    classified = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier") or [] if one.startswith("License ::")]
    named = str(told.get("License") or "").strip()
    if "\n" not in named and 0 < len(named) <= 60 and named not in ("BSD", "LICENSE"):
        return SPDX.get(named, named)
    return " AND ".join(SPDX.get(one, one) for one in classified) or "unknown"
