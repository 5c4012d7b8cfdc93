"""The licences of all that is installed with regard: docs/licences.md, and an end where one is not allowed.

With --check nothing is written, and the file must be as it would be written.
"""

from __future__ import annotations

import re
import sys

from dependencies import CUDA_NAME, NVIDIA, ROOT, Dependency, runtime

PAGE = ROOT / "docs" / "licences.md"

# Permissive ones (FreeBSD is BSD-2-Clause), and MPL-2.0, which asks that changes to its own files be shown, no more.
ALLOWED = {
    *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC", "MIT"),
    *("FreeBSD", "LLVM-exception", "MIT-CMU", "MPL-2.0", "PSF-2.0", "Zlib"),
}
HEAD = """# Licences

regard itself is under Apache-2.0 (`LICENSE`). Below is every package that `pip install regard` brings with it, in the
versions of `constraints.txt`, with the licence that the package names for itself. `make licences` writes this file, and
fails where a licence is not on the list in `release/licences.py`. BSD without a number: the package says no more.
"""
CUDA = """
On Linux, torch's CUDA build brings these as well. Those of NVIDIA are not free software; nothing of them is in regard,
and torch's build for the processor does without them.
"""


def main() -> int:
    found = runtime()
    refused = [one for one in found if not is_allowed(one)]
    for one in refused:
        print(
            f"{one.name} {one.version}: got the licence {one.licence}; expected one of {', '.join(sorted(ALLOWED))}; "
            "do without the package, or add its licence to release/licences.py.",
            file=sys.stderr,
        )
    if refused:
        return 1
    text = page(found)
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") != text:
            print(f"{PAGE.name}: got an old list; expected the present one; run make licences.", file=sys.stderr)
            return 1
    else:
        PAGE.write_text(text, encoding="utf-8")
    print(f"{len(found)} packages, all under licences that are allowed: {PAGE.relative_to(ROOT)}")
    return 0


def is_allowed(one: Dependency) -> bool:
    """Whether each part of its licence is on the list; NVIDIA's own only for what NVIDIA's cards need."""
    names = [name for name in re.split(r"[\s()]+", one.licence) if name and name not in ("AND", "OR", "WITH")]
    allowed = ALLOWED | ({NVIDIA} if one.only_with and CUDA_NAME.fullmatch(one.name) else set())
    return bool(names) and all(name in allowed for name in names)


def page(found: list[Dependency]) -> str:
    always = [one for one in found if not one.only_with]
    return f"{HEAD}\n{table(always)}{CUDA}\n{table([one for one in found if one.only_with])}"


def table(found: list[Dependency]) -> str:
    rows = "".join(f"| {one.name} | {one.version} | {one.licence} |\n" for one in found)
    return f"| package | version | licence |\n|---|---|---|\n{rows}"


if __name__ == "__main__":
    sys.exit(main())
