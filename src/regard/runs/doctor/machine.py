"""The machine: processor, cores, instructions, memory, graphics card."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from regard.runs.doctor.finding import Finding

GIB = 1 << 30
LITTLE_MEMORY = GIB  # less is not enough for torch, a small model and its optimizer
PATIENCE = 10.0  # seconds for a program that is asked
CONTROL_GROUPS = Path("/sys/fs/cgroup")
PROCESSORS, MEMORY = Path("/proc/cpuinfo"), Path("/proc/meminfo")

# As they are called here, and the flags of /proc/cpuinfo that say so.
OF_X86 = {
    "AVX2": {"avx2"},
    "AVX-512": {"avx512f"},
    "VNNI": {"avx512_vnni", "avx_vnni"},
    "bfloat16": {"avx512_bf16"},
    "AMX": {"amx_tile"},
}
OF_ARM = {"NEON": {"asimd"}, "SVE": {"sve"}, "int8 products": {"i8mm"}, "bfloat16": {"bf16"}}


def processor() -> Iterator[Finding]:
    """Its name and the instructions that make products fast."""
    facts = _facts_of_processor()
    name = facts.get("model name") or _ask("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    yield Finding("processor", f"{name or 'unknown'} ({platform.machine()})")
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    if flags:
        yield Finding("instructions", told_instructions(flags, arm=platform.machine() in ("aarch64", "arm64")))
        return
    import torch

    yield Finding("instructions", f"{torch.backends.cpu.get_cpu_capability()}, as torch calls them")


def told_instructions(flags: set[str], *, arm: bool) -> str:
    """Which of the instructions that matter there are, and which are missing."""
    known = OF_ARM if arm else OF_X86
    there = [name for name, names in known.items() if names & flags]
    missing = [name for name in known if name not in there]
    return (", ".join(there) or "none of those that matter") + (f"; without {', '.join(missing)}" if missing else "")


def cores() -> Iterator[Finding]:
    """Those of the machine, those that this process may use, and the threads that torch starts on them."""
    import torch

    there = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    share, threads = share_of_processor(CONTROL_GROUPS), torch.get_num_threads()
    value = f"{usable} of {there}; torch uses {threads} thread{'s' if threads > 1 else ''}"
    if share is not None and share < usable:
        value += f"; the control group grants {share:.2g}"
        usable = max(1, int(share))
    if threads <= usable:
        yield Finding("cores", value)
    else:
        yield Finding("cores", value, "no more threads than cores", f"set OMP_NUM_THREADS={usable}")


def share_of_processor(groups: Path) -> float | None:
    """The cores' worth of time that the control group grants; None where it sets no limit."""
    words = _words(groups / "cpu.max") or [
        *_words(groups / "cpu" / "cpu.cfs_quota_us"),
        *_words(groups / "cpu" / "cpu.cfs_period_us"),
    ]
    if len(words) != 2 or not words[0].isdigit():
        return None
    return int(words[0]) / int(words[1])


def memory() -> Iterator[Finding]:
    """In all, free, and the limit of the control group where there is one."""
    total, free = memory_of_machine()
    limit = limit_of_memory(CONTROL_GROUPS)
    value = f"{told_gib(total)}, {'an unknown part' if free is None else told_gib(free)} free"
    if limit is not None and limit < total:
        value += f"; the control group grants {told_gib(limit)}"
    room = min(limit or total, total if free is None else free)
    if room >= LITTLE_MEMORY:
        yield Finding("memory", value)
    else:
        action = "close other programs, or train a smaller model on smaller batches (train.batch_tokens)"
        yield Finding("memory", value, f"{told_gib(LITTLE_MEMORY)} or more", action)


def memory_of_machine() -> tuple[int, int | None]:
    """Bytes in all, and bytes that programs can still have, where the system tells."""
    numbers = {}
    with suppress(OSError):
        for line in MEMORY.read_text(encoding="utf-8").splitlines():
            name, _, rest = line.partition(":")
            numbers[name] = 1024 * int(rest.split()[0])
    if "MemTotal" in numbers:
        return numbers["MemTotal"], numbers.get("MemAvailable")
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), None


def limit_of_memory(groups: Path) -> int | None:
    """The bytes that the control group allows; None where it sets no limit (the old kind writes a huge number)."""
    words = _words(groups / "memory.max") or _words(groups / "memory" / "memory.limit_in_bytes")
    return int(words[0]) if words and words[0].isdigit() else None


def graphics_card() -> Iterator[Finding]:
    """Name, memory and driver of each that torch sees."""
    import torch

    driver = _ask("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader").partition("\n")[0]
    if not torch.cuda.is_available():
        if not driver:
            yield Finding("GPU", "none; everything runs on the processor")
            return
        action = "install torch with CUDA for this driver, or leave it: everything runs on the processor"
        yield Finding("GPU", f"an NVIDIA driver {driver}, but torch sees no GPU", "a torch that sees it", action)
        return
    for number in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(number)
        known = f", driver {driver}" if driver else ""
        value = f"{card.name}, {told_gib(card.total_memory)}{known}, CUDA {torch.version.cuda} (train.device=cuda)"
        yield Finding("GPU", value)


def told_gib(size: int) -> str:
    """Bytes as GiB."""
    return f"{size / GIB:.1f} GiB"


def _facts_of_processor() -> dict[str, str]:
    """The first of each line of ``/proc/cpuinfo``."""
    facts: dict[str, str] = {}
    with suppress(OSError):
        for line in PROCESSORS.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    return facts


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _ask(program: str, *words: str) -> str:
    """What a program prints; "" where it is not there, or fails."""
    found = shutil.which(program)
    if found is None:
        return ""
    with suppress(OSError, subprocess.SubprocessError):
        run = subprocess.run([found, *words], capture_output=True, text=True, errors="replace", timeout=PATIENCE)
        return run.stdout.strip() if run.returncode == 0 else ""
    return ""
