"""Freed memory stays: the second time that a tensor is made, the system has no new pages to hand out."""

from __future__ import annotations

import platform
import resource
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, torch
if sys.argv[1] == "keep":
    from regard.training.memory import keep_pages
    keep_pages()
def touch():
    several = [torch.zeros(1 << 20).add_(1) for _ in range(40)]  # 4 MiB each
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode: str) -> int:
    run = subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True)
    return int(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is tuned")
def test_memory_that_was_freed_is_used_again_without_new_pages():
    once = 40 * 4 * 2**20 // resource.getpagesize()
    assert faults("keep") < once < faults("leave")
