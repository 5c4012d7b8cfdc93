"""What the doctor finds out: on machines, systems and disks that are not this one, and where an answer is wrong."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from regard.compiling import Compiled
from regard.layers.kernels.library import compiled_kernels
from regard.runs.doctor import compiled_code, examination, file_system, known_answers, machine, repeatable, software
from regard.runs.doctor.counting_model import COUNTED, VOCABULARY, counting_model
from regard.runs.doctor.examination import SELF_TESTS, answered, parts
from regard.runs.doctor.finding import Check, Finding
from regard.runs.doctor.known_answers import Answer

GIB = 2**30


def one(findings) -> Finding:
    (finding,) = findings
    return finding


# Findings ------------------------------------------------------------------------------------------------------------


def test_what_is_not_fine_is_a_sentence_with_what_to_do():
    finding = Finding("cores", "9 threads", "no more threads than cores", "set OMP_NUM_THREADS=2")
    assert finding.state == "warning"
    assert finding.sentence() == "cores: got 9 threads; expected no more threads than cores; set OMP_NUM_THREADS=2."
    assert Finding("cores", "2").state == "fine"
    assert Finding("sum", "3", "2", "report it", failed=True).state == "failure"


@pytest.mark.parametrize("known_answer", [False, True])
def test_a_check_that_breaks_is_a_finding_and_what_it_found_before_is_kept(known_answer):
    def breaks():
        yield Finding("first", "here")
        raise ZeroDivisionError("of something")

    first, broken = Check("odd", breaks, known_answer).findings()
    assert first.value == "here"
    assert (broken.name, broken.value) == ("odd", "ZeroDivisionError: of something")
    assert broken.state == ("failure" if known_answer else "warning")
    assert "a check that runs; report this" in broken.sentence()


# The machine ---------------------------------------------------------------------------------------------------------


def test_the_instructions_are_read_from_the_flags(tmp_path, monkeypatch):
    info = tmp_path / "cpuinfo"
    info.write_text(
        "processor\t: 0\nmodel name\t: A Chip\nflags\t\t: fpu avx2 avx512f avx512_vnni amx_tile\n\nflags : x\n"
    )
    monkeypatch.setattr(machine, "PROCESSORS", info)
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    name, instructions = machine.processor()
    assert name.value == "A Chip (x86_64)"
    assert instructions.value == "AVX2, AVX-512, VNNI, AMX; without bfloat16"


@pytest.mark.parametrize(
    ("flags", "arm", "told"),
    [
        ({"asimd", "bf16", "sve", "i8mm"}, True, "NEON, SVE, int8 products, bfloat16"),
        ({"asimd"}, True, "NEON; without SVE, int8 products, bfloat16"),
        ({"sse2"}, False, "none of those that matter; without AVX2, AVX-512, VNNI, bfloat16, AMX"),
        ({"avx2", "avx_vnni"}, False, "AVX2, VNNI; without AVX-512, bfloat16, AMX"),
    ],
)
def test_instructions_of_either_kind_of_processor(flags, arm, told):
    assert machine.told_instructions(flags, arm=arm) == told


def test_a_system_without_cpuinfo_has_a_processor_too(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "PROCESSORS", tmp_path / "missing")
    name, instructions = machine.processor()
    assert name.name == "processor"
    assert instructions.value.endswith(", as torch calls them")


@pytest.mark.parametrize(
    ("files", "share"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_the_share_that_a_control_group_grants(tmp_path, files, share):
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert machine.share_of_processor(tmp_path) == share


def test_more_threads_than_cores_are_too_many(tmp_path, monkeypatch):
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    monkeypatch.setattr(machine, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    finding = one(machine.cores())
    assert finding.value == "4 of 8; torch uses 4 threads; the control group grants 1"
    assert finding.action == "set OMP_NUM_THREADS=1"


@pytest.mark.parametrize(
    ("limit", "value", "state"),
    [
        (None, "16.0 GiB, 8.0 GiB free", "fine"),
        (64 * GIB, "16.0 GiB, 8.0 GiB free", "fine"),
        (2 * GIB, "16.0 GiB, 8.0 GiB free; the control group grants 2.0 GiB", "fine"),
        (GIB // 2, "16.0 GiB, 8.0 GiB free; the control group grants 0.5 GiB", "warning"),
    ],
)
def test_memory_is_what_the_control_group_leaves_of_it(tmp_path, monkeypatch, limit, value, state):
    info = tmp_path / "meminfo"
    info.write_text(f"MemTotal: {16 * GIB // 1024} kB\nMemFree: 1 kB\nMemAvailable: {8 * GIB // 1024} kB\n")
    monkeypatch.setattr(machine, "MEMORY", info)
    monkeypatch.setattr(machine, "CONTROL_GROUPS", tmp_path)
    (tmp_path / "memory.max").write_text("max\n" if limit is None else f"{limit}\n")
    finding = one(machine.memory())
    assert (finding.value, finding.state) == (value, state)


def test_memory_without_meminfo_is_what_the_system_says(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "MEMORY", tmp_path / "missing")
    total, free = machine.memory_of_machine()
    assert total == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert free is None


def fake_driver(folder: Path, monkeypatch, script: str) -> None:
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_card_that_torch_does_not_see_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    fake_driver(tmp_path, monkeypatch, "echo 555.42")
    finding = one(machine.graphics_card())
    assert finding.value == "an NVIDIA driver 555.42, but torch sees no GPU"
    assert finding.action.startswith("install torch with CUDA")


def test_a_driver_that_does_not_answer_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    fake_driver(tmp_path, monkeypatch, "echo NVIDIA-SMI has failed; exit 9")
    assert one(machine.graphics_card()).value == "none; everything runs on the processor"


def test_each_card_that_torch_sees_is_named(tmp_path, monkeypatch):
    card = namedtuple("Card", "name total_memory")("A Card", 24 * GIB)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: card)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    fake_driver(tmp_path, monkeypatch, "echo 580.1; echo 580.1")
    values = {finding.value for finding in machine.graphics_card()}
    assert values == {"A Card, 24.0 GiB, driver 580.1, CUDA 13.0 (train.device=cuda)"}


# Software ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "bounds", "inside"),
    [
        ("2.13.0+cpu", ">=2.11,<3", True),
        ("2.11", ">=2.11.0,<3", True),
        ("2.10.9", ">=2.11,<3", False),
        ("2.9", ">=2.11,<3", False),  # nine is less than eleven
        ("3.0.0", "<3,>=2.11", False),
        ("0.23.1", ">=0.23.1,<0.24", True),
        ("0.24", ">=0.23.1,<0.24", False),
    ],
)
def test_a_version_is_inside_its_bounds(version, bounds, inside):
    assert software.is_inside(version, bounds) is inside


def test_requirements_are_read_as_a_distribution_tells_them():
    told = [
        "torch<3,>=2.11",
        'transformers<6,>=5.20; extra == "export"',
        "transformers<6,>=5.20; extra == 'hub'",
        'regard[hub]; extra == "export"',
        'pytest<10,>=9; extra == "dev"',
    ]
    found = {(wanted.name, wanted.range, wanted.extra) for wanted in software.wanted_packages(told)}
    assert found == {("torch", "<3,>=2.11", ""), ("transformers", "<6,>=5.20", "export")}


def test_a_package_that_is_too_old_or_missing_is_told_with_the_way_to_install_it(monkeypatch):
    versions = {"torch": "1.13", "transformers": "5.21"}

    def version(name):
        if name not in versions:
            raise software.importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(software.importlib.metadata, "version", version)
    old = one(software.look_at(software.Wanted("torch", ">=2.11,<3")))
    assert (old.state, old.action) == ("warning", 'install one: pip install "torch>=2.11,<3"')
    missing = one(software.look_at(software.Wanted("numpy", ">=2.1,<3")))
    assert (missing.state, missing.value) == ("warning", "not installed")
    assert list(software.look_at(software.Wanted("tensorboard", ">=2", "tensorboard"))) == []  # nobody needs it
    assert one(software.look_at(software.Wanted("transformers", ">=5.20,<6", "hub"))).value == "5.21 (extra hub)"


def test_every_package_that_this_project_asks_for_is_looked_at():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {text.partition(">=")[0] for text in project["dependencies"]}
    assert asked <= {finding.name for finding in software.packages() if finding.state == "fine"}


def test_without_an_installed_regard_that_is_said(monkeypatch):
    def requires(name):
        raise software.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(software.importlib.metadata, "requires", requires)
    assert one(software.packages()).value == "regard is not installed"


@pytest.mark.parametrize(("version", "state"), [((3, 11, 0), "fine"), ((3, 13, 9), "fine"), ((3, 14, 0), "warning")])
def test_a_python_that_is_not_tested_is_told(monkeypatch, version, state):
    monkeypatch.setattr(software.sys, "version_info", version)
    assert one(software.python()).state == state


def test_an_output_that_cannot_show_every_letter_is_told(monkeypatch):
    stream = namedtuple("Stream", "encoding")
    monkeypatch.setattr(software.sys, "stdout", stream("ISO-8859-1"))
    finding = one(software.encodings())
    assert finding.value.startswith("output ISO-8859-1, file names utf-8")
    assert finding.action == "set PYTHONUTF8=1, or LC_ALL=C.UTF-8"
    monkeypatch.setattr(software.sys, "stdout", stream("UTF8"))
    assert one(software.encodings()).state == "fine"


# C++ -----------------------------------------------------------------------------------------------------------------


def test_a_machine_without_a_compiler_is_told_what_to_install(monkeypatch):
    monkeypatch.setattr(compiled_code, "find_compiler", lambda: None)
    finding = one(compiled_code.compiler())
    assert finding.value == "none"
    assert "apt install g++" in finding.action


@pytest.fixture
def _asked_anew() -> Iterator[None]:
    """A process asks for the kernels once; here it forgets what came of that."""
    compiled_kernels.cache_clear()
    yield
    compiled_kernels.cache_clear()


@pytest.mark.usefixtures("_asked_anew")
def test_why_nothing_could_be_compiled_is_told(monkeypatch):
    monkeypatch.setenv("REGARD_NATIVE", "0")
    for finding in (one(compiled_code.kernels()), one(compiled_code.engine())):
        assert finding.value == "REGARD_NATIVE is 0"
        assert "everything works without it, only slower" in finding.action


def test_what_was_compiled_before_is_told_from_what_was_compiled_now(tmp_path, monkeypatch):
    monkeypatch.setenv("REGARD_CACHE", str(tmp_path))
    path = tmp_path / "kernels-1.so"

    def make() -> Compiled:
        path.touch()
        return Compiled(None, path)

    monkeypatch.setattr(compiled_code, "compiled_kernels", make)
    assert one(compiled_code.kernels()).value == "compiled just now: kernels-1.so"
    assert one(compiled_code.kernels()).value == "from the cache: kernels-1.so"


# Folders -------------------------------------------------------------------------------------------------------------


def test_a_good_folder_keeps_everything_and_is_left_as_it_was(tmp_path):
    room, promises = file_system.folder("runs", tmp_path)
    assert room.state == "fine"
    assert promises.value == "keeps locks, replacing a file, renaming a folder, flushing to disk"
    assert list(tmp_path.iterdir()) == []


def test_of_a_folder_that_is_not_there_yet_the_nearest_one_is_looked_at(tmp_path):
    found = list(file_system.folder("runs", tmp_path / "not" / "yet"))
    assert found[0].value.startswith(f"{tmp_path}, ")
    assert not (tmp_path / "not").exists()


def broken_lock(monkeypatch):
    def flock(file, kind):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)


def deaf_lock(monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda file, kind: None)


def no_replacing(monkeypatch):
    monkeypatch.setattr(Path, "replace", lambda self, target: shutil.copyfile(self, target))


def no_renaming(monkeypatch):
    def rename(self, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "rename", rename)


def no_flushing(monkeypatch):
    def fsync(descriptor):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize(
    ("fault", "name", "why"),
    [
        (broken_lock, "locks", "No locks available"),
        (deaf_lock, "locks", "a second lock on a locked file was granted"),
        (no_replacing, "replacing a file", "a file renamed over another did not replace it"),
        (no_renaming, "renaming a folder", "Invalid cross-device link"),
        (no_flushing, "flushing to disk", "Invalid argument"),
    ],
)
def test_d20_a_file_system_that_breaks_a_promise_is_a_warning_that_names_it(tmp_path, monkeypatch, fault, name, why):
    fault(monkeypatch)
    room, lost = file_system.folder("runs", tmp_path)
    assert (room.state, lost.state) == ("fine", "warning")
    assert (lost.name, lost.value) == (f"runs: {name}", why)
    assert lost.sentence().endswith("; keep runs on a local disk.")


def test_a_folder_that_cannot_be_written_to_is_told():
    (finding,) = file_system.folder("runs", Path("/proc"))
    assert finding.state == "warning"
    assert "expected a folder that can be written to" in finding.sentence()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    (finding,) = file_system.folder("runs", tmp_path / "file")
    assert finding.value == f"{tmp_path / 'file'}, which is no folder"


def test_a_disk_that_is_nearly_full_is_told(tmp_path, monkeypatch):
    usage = namedtuple("Usage", "free")
    monkeypatch.setattr(file_system.shutil, "disk_usage", lambda path: usage(GIB // 4))
    room, _ = file_system.folder("runs", tmp_path)
    assert "0.2 GiB free" in room.value
    assert room.action.startswith("make room")


def test_the_kind_of_file_system_is_that_of_the_nearest_mount(tmp_path, monkeypatch):
    mounts = tmp_path / "mountinfo"
    lines = ["1 0 8:1 / / rw - ext4 /dev/a rw", f"2 1 0:5 / {tmp_path}/a\\040b rw shared:1 - nfs4 host:/x rw"]
    mounts.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(file_system, "MOUNTS", mounts)
    assert file_system.kind_of(tmp_path / "a b" / "c") == "nfs4"
    assert file_system.kind_of(tmp_path / "a") == "ext4"
    monkeypatch.setattr(file_system, "MOUNTS", tmp_path / "missing")
    assert file_system.kind_of(tmp_path) == ""


# The self-test -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("test", SELF_TESTS, ids=[test[0] for test in SELF_TESTS])
def test_every_known_answer_is_found_here(test):
    finding = one(answered(*test))
    assert finding.state == "fine", finding.sentence()
    assert finding.value.endswith(" s") or finding.value == "left out: nothing is compiled here"


def test_numbers_are_right_within_their_tolerance_and_nan_never_is():
    assert Answer("sum", [1.0, 2.0], [1.0, 2.0], 1e-5).right
    assert not Answer("sum", [1.0, 2.1], [1.0, 2.0], 1e-5).right
    assert not Answer("sum", [1.0], [1.0, 2.0], 1e-5).right
    assert not Answer("sum", [float("nan")], [0.0], 1e-5).right
    assert not Answer("ids", (1, 2), (1, 3)).right


def test_an_attention_without_its_scale_is_found_out(monkeypatch):
    """The doctor of a patient: of each layer that is wrong, the answers are too."""
    plain = known_answers.attention
    monkeypatch.setattr(known_answers, "attention", lambda q, k, v, **rest: plain(q * 2, k, v, **rest))
    assert one(answered(*SELF_TESTS[1])).failed


@pytest.mark.parametrize(
    ("place", "wrong", "test"),
    [
        ("masked_softmax", lambda scores, mask: scores.softmax(-1), "softmax"),
        ("LayerNorm", lambda width, epsilon: torch.nn.LayerNorm(width, eps=1.0), "layer norm"),
    ],
)
def test_a_wrong_layer_is_a_failure_with_what_to_do(monkeypatch, place, wrong, test):
    monkeypatch.setattr(known_answers, place, wrong)
    (known,) = (one for one in SELF_TESTS if one[0] == test)
    finding = one(answered(*known))
    assert finding.state == "failure"
    assert finding.action == examination.TORCH


def test_training_that_differs_from_itself_is_found_out(monkeypatch):
    trained, seeds = repeatable._trained, iter([1, 7, 2])
    monkeypatch.setattr(repeatable, "_trained", lambda seed: trained(next(seeds)))
    finding = one(answered("training twice", "repeatable", "training_twice", examination.TORCH))
    assert finding.failed
    assert "sha256 of weights" in finding.value


def test_a_disk_that_changes_a_byte_is_found_out(monkeypatch):
    save = repeatable.save_checkpoint

    def saved(folder, *rest):
        path = save(folder, *rest)
        if folder.name == "second":
            state = path / "state.json"
            state.write_bytes(state.read_bytes() + b" ")
        return path

    monkeypatch.setattr(repeatable, "save_checkpoint", saved)
    finding = one(answered("checkpoint", "repeatable", "checkpoint_again", examination.DISK))
    assert finding.failed
    assert "the file state.json" in finding.value


def test_the_counting_model_counts_by_its_weights_alone():
    """After each token, whatever the source, the next one is the likeliest by far; after the last piece comes </s>."""
    model = counting_model()
    target = torch.tensor([[VOCABULARY.start, *COUNTED]])
    for source in ([[3, 0]], [[9, 9, 9, 0]]):
        probabilities = model.logits(model(torch.tensor(source), target)).softmax(-1)[0]
        assert probabilities.argmax(-1).tolist() == [*COUNTED, 0]
        assert probabilities.max(-1).values.min() > 0.99


def test_a_broken_torch_does_not_hide_the_rest(monkeypatch):
    def module(name):
        raise ImportError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(examination, "import_module", module)
    tests = parts(Path("."))["Self-test"]
    found = [finding for check in tests for finding in check.findings()]
    assert len(found) == len(SELF_TESTS)
    assert all(finding.failed and "libgomp" in finding.value for finding in found)


def test_the_number_of_threads_is_as_before():
    torch.set_num_threads(2)
    try:
        one(answered(*SELF_TESTS[0]))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_without_kernels_what_would_test_them_is_left_out(monkeypatch):
    monkeypatch.setattr(known_answers, "serves", lambda *tensors: False)
    finding = one(answered("compiled kernels", "known_answers", "kernels_against_plain_products", ""))
    assert (finding.value, finding.state) == ("left out: nothing is compiled here", "fine")


def test_d19_without_any_place_for_temporary_files_that_is_said(monkeypatch):
    def nowhere(*rest, **named):
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(examination.tempfile, "gettempdir", nowhere)
    monkeypatch.setattr(repeatable.tempfile, "TemporaryDirectory", nowhere)
    assert one(examination._temporary()).action == "set TMPDIR, and MPLCONFIGDIR, to such a folder"
    finding = one(answered("checkpoint", "repeatable", "checkpoint_again", examination.DISK))
    assert finding.value == "left out: no folder for temporary files"


def test_d19_a_user_without_a_home_is_told_where_to_put_the_cache(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("REGARD_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    finding = one(examination._cache())
    assert finding.state == "warning"
    assert "set HOME, or REGARD_CACHE to a folder of its own." in finding.sentence()


def test_whoever_is_about_to_write_hears_only_of_broken_promises(tmp_path, monkeypatch):
    assert file_system.warnings(tmp_path) == []
    broken_lock(monkeypatch)
    (warning,) = file_system.warnings(tmp_path)
    assert warning.startswith("the disk: locks: got No locks available; expected locks, without which two runs")


def test_a_program_that_hangs_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine, "PATIENCE", 0.1)
    fake_driver(tmp_path, monkeypatch, "exec sleep 5")
    assert one(machine.graphics_card()).state == "fine"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([shutil.which("nvidia-smi") or ""], timeout=0.1)
