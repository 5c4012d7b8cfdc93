"""Part G: what regard is made of, where it comes from, and that a release is what it says."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def release(monkeypatch):
    """The modules of the folder ``release``, which is no package."""
    monkeypatch.syspath_prepend(str(ROOT / "release"))

    class Modules:
        def __getattr__(self, name):
            return __import__(name)

    names = {path.stem for path in (ROOT / "release").glob("*.py")}
    yield Modules()
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def pinned(release):
    """For tests of what is installed: they hold for the versions of constraints.txt."""
    pins = release.dependencies.pins()
    others = [
        f"{one.name} {one.version}" for one in release.dependencies.runtime() if pins.get(one.name) != one.version
    ]
    if others:
        pytest.skip(f"not as in constraints.txt: {', '.join(others)}")


def runtime_pins() -> dict[str, str]:
    """Every pin that an installation for use may need: walked from the package's own metadata, and torch's for CUDA."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {
        canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines) if version
    }
    waiting = [Requirement(text) for text in importlib.metadata.requires("regard") or [] if "extra ==" not in text]
    needed: set[str] = set()
    while waiting:
        one = waiting.pop()
        if one.name in needed:
            continue
        needed.add(one.name)
        for text in importlib.metadata.requires(one.name) or []:
            further = Requirement(text)
            if further.marker is None or further.marker.evaluate({"extra": ""}):
                waiting.append(further)
    names = {canonicalize_name(name) for name in needed}
    return {n: v for n, v in pins.items() if n in names or n == "triton" or n.startswith(("nvidia-", "cuda-"))}


# G1: a wheel that was changed on its way -----------------------------------------------------------------------------


def small_wheel(folder: Path) -> Path:
    """A package of one module, made by hand."""
    facts = "honest-1.0.dist-info"
    files = {
        "honest.py": "answer = 42\n",
        f"{facts}/METADATA": "Metadata-Version: 2.1\nName: honest\nVersion: 1.0\n",
        f"{facts}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(text)}\n")
    files[f"{facts}/RECORD"] = "".join([*lines, f"{facts}/RECORD,,\n"])
    path = folder / "honest-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def install(folder: Path, requirements: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--isolated", "install", "--quiet", "--require-hashes", "--no-index"]
    command += ["--find-links", str(folder), "--target", str(folder / "target"), "-r", str(requirements)]
    return subprocess.run([*command, "--disable-pip-version-check"], capture_output=True, text=True, check=False)


def test_g1_a_tampered_wheel_is_refused_where_hashes_are_asked_for(tmp_path, release):
    wheel = small_wheel(tmp_path)
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"honest==1.0 \\\n    --hash=sha256:{release.build.digest(wheel)}\n")
    assert release.build.without_hash(requirements.read_text()) == []
    assert install(tmp_path, requirements).returncode == 0
    assert (tmp_path / "target" / "honest.py").exists()
    shutil.rmtree(tmp_path / "target")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("evil.pth", "import os\n")
    refused = install(tmp_path, requirements)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        (
            f"a==1 --hash=sha256:{'0' * 64}\n# a comment\n\nb.c==2.0 ; os == 'linux' \\\n  --hash=sha256:{'a' * 64}",
            [],
        ),
        ("a==1\n", ["a==1"]),
        (f"a>=1 --hash=sha256:{'0' * 64}", ["a>=1"]),
        (f"a==1 --hash=sha256:{'0' * 63}", ["a==1"]),
        (f"a==1 --hash=md5:{'0' * 64}", ["a==1"]),
        ("-r other.txt", ["-r"]),
    ],
)
def test_g1_the_release_refuses_requirements_without_hashes(release, text, lacking):
    assert release.build.without_hash(text) == lacking


# G2: a package of the same name from somewhere else ------------------------------------------------------------------

OTHER_PLACES = re.compile(
    "|".join([r"extra[-_]index", "index" + r"[-_]url", r"\[tool\." + "uv", "trusted" + "-host"]), re.I
)
ADDRESS = re.compile(r"(?m)^[^#\n]*(?:@ *(?:https?|file|git\+)|\b" + "git" + r"\+https)")


def written_files() -> list[Path]:
    """Every file that a person wrote, wherever it lies."""
    left_out = {".git", ".venv", ".hypothesis", "__pycache__", "build", "dist", "node_modules"}
    files = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [one for one in folders if one not in left_out and not one.endswith("_cache")]
        files += [Path(folder) / name for name in names if not name.endswith((".png", ".gz", ".safetensors"))]
    return files


def test_g2_no_file_names_another_index_than_the_users_own():
    places = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in written_files()
        if path != Path(__file__)
        for match in OTHER_PLACES.finditer(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert places == []


@pytest.mark.parametrize("path", ["pyproject.toml", "constraints.txt", "benchmarks/requirements.txt"])
def test_g2_no_requirement_is_an_address(path):
    assert ADDRESS.findall((ROOT / path).read_text(encoding="utf-8")) == []


def test_g2_another_index_would_be_seen():
    assert OTHER_PLACES.search("pip install --extra-" + "index" + "-url https://example.org x")
    assert ADDRESS.search("regard @ https://example.org/x.whl")
    assert ADDRESS.search("pip install git" + "+https://example.org/x")


# G3: vulnerable or withdrawn packages --------------------------------------------------------------------------------

WANTED = ["a-b==1.0", "c==2.0"]
CLEAN = [{"name": "a-b", "version": "1.0", "vulns": []}, {"name": "c", "version": "2.0", "vulns": []}]
FLAW = {"id": "CVE-1", "fix_versions": ["2.1"], "aliases": [], "description": "bad"}
HOLED = [CLEAN[0], {**CLEAN[1], "vulns": [FLAW]}]
SKIPPED = [CLEAN[0], {"name": "c", "skip_reason": "not found"}]


@pytest.mark.parametrize(
    ("answer", "code", "vulnerable", "unanswered"),
    [
        (json.dumps({"dependencies": CLEAN}), 0, (), {}),
        (json.dumps({"dependencies": HOLED}), 1, ("c==2.0  CVE-1  mended in: 2.1",), {}),
        (json.dumps({"dependencies": SKIPPED}), 3, (), {"c==2.0": "not found"}),
        (json.dumps({"dependencies": CLEAN[:1]}), 3, (), {"c==2.0": "no answer"}),
        (json.dumps({"dependencies": [CLEAN[0], {**CLEAN[1], "version": "9"}]}), 3, (), {"c==2.0": "an answer for 9"}),
        ("", 3, (), {"a-b==1.0": "no answer", "c==2.0": "no answer"}),
        ("<html>", 3, (), {"a-b==1.0": "no answer", "c==2.0": "no answer"}),
    ],
    ids=["clean", "vulnerable", "skipped", "not named", "another version", "silence", "no JSON"],
)
def test_g3_no_answer_about_a_package_is_never_a_clean_one(release, answer, code, vulnerable, unanswered):
    report = release.audit.read(answer, WANTED)
    assert (report.exit_code, report.vulnerable, dict(report.unanswered)) == (code, vulnerable, unanswered)


def test_g3_the_audit_asks_for_every_package_and_says_where_nobody_answered(release, pinned, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(release.audit, "ask", lambda wanted: asked.extend(wanted) or "")
    assert release.audit.main() == 3
    assert set(asked) == {f"{name}=={version}" for name, version in runtime_pins().items()}
    assert f"NOT AUDITED: got no answer for {len(asked)} of {len(asked)} packages" in capsys.readouterr().err


def test_g3_the_parts_list_names_every_package_and_what_needs_it(release, pinned, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first = release.sbom.document(release.dependencies.runtime())
    assert release.sbom.document(release.dependencies.runtime()) == first
    told = json.loads(first)
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    assert {one["name"]: one["version"] for one in told["components"]} == runtime_pins()
    assert all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in told["components"])
    assert all(one["licenses"] for one in told["components"])
    needs = {one["ref"].partition("@")[0].rpartition("/")[2]: one.get("dependsOn", []) for one in told["dependencies"]}
    project = [Requirement(t).name for t in importlib.metadata.requires("regard") or [] if "extra ==" not in t]
    assert {ref.partition("@")[0].rpartition("/")[2] for ref in needs["regard"]} == set(map(canonicalize_name, project))
    assert any(ref.startswith("pkg:pypi/numpy@") for ref in needs["scipy"])
    assert told["metadata"]["timestamp"].startswith("2023-11-14T22:13:20")


# Licences ------------------------------------------------------------------------------------------------------------


def test_every_package_that_is_needed_has_its_licence_listed(pinned):
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (\S.*?) \|$", (ROOT / "docs/licences.md").read_text("utf-8"), re.MULTILINE
    )
    listed = {name: version for name, version, _ in rows if name != "package"}
    assert listed == runtime_pins()
    assert "unknown" not in {licence for *_, licence in rows}


def test_the_list_of_licences_is_as_it_would_be_written_now(release, pinned, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["licences.py", "--check"])
    assert release.licences.main() == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "licence", "allowed"),
    [
        ("x", "MIT", True),
        ("x", "(Apache-2.0 WITH LLVM-exception) AND MIT", True),
        ("x", "MIT AND GPL-3.0-only", False),
        ("x", "unknown", False),
        ("x", "", False),
        ("x", "LicenseRef-NVIDIA-Proprietary", False),
        ("nvidia-nccl-cu13", "LicenseRef-NVIDIA-Proprietary", True),
        ("nvidia-nccl-cu13", "GPL-3.0-only", False),
    ],
)
def test_a_licence_that_is_not_on_the_list_is_refused(release, monkeypatch, capsys, tmp_path, name, licence, allowed):
    one = release.dependencies.Dependency(name, "1.0", licence, only_with="CUDA" if "nvidia" in name else "")
    page = tmp_path / "docs" / "licences.md"
    page.parent.mkdir()
    monkeypatch.setattr(release.licences, "runtime", lambda: [one])
    monkeypatch.setattr(release.licences, "PAGE", page)
    monkeypatch.setattr(release.licences, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["licences.py"])
    assert release.licences.main() == (0 if allowed else 1)
    assert page.exists() is allowed
    if not allowed:
        assert f"{name} 1.0: got the licence {licence}; expected one of 0BSD" in capsys.readouterr().err


# G4: two builds of one state -----------------------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path):
    """Copies of a small part of the project, enough for a package."""

    def copy(name: str) -> Path:
        tree = tmp_path / name
        (tree / "src" / "regard").mkdir(parents=True)
        for path in ("pyproject.toml", "README.md", "LICENSE", "src/regard/__init__.py", "src/regard/errors.py"):
            shutil.copy(ROOT / path, tree / path)
        return tree

    return copy


def test_g4_two_builds_of_one_state_are_equal_bytes_whatever_the_clock_says(release, sources):
    first, second = sources("first"), sources("second, elsewhere")
    for path in second.rglob("*"):
        os.utime(path, (time.time() - 1e6, time.time() - 1e6))
    built = [release.build.build(tree, "1700000000") for tree in (first, second)]
    assert [path.suffix for path in built[0]] == [".whl", ".gz"] or [path.suffix for path in built[0]] == [
        ".gz",
        ".whl",
    ]
    assert release.build.differences(*built) == []
    later = release.build.build(sources("third"), "1700086400")
    assert len(release.build.differences(built[0], later)) == 2, "the date is in the archives, and comes from outside"


def test_g4_builds_that_differ_are_named(release, tmp_path):
    paths = []
    for folder, text in (("a", "one"), ("b", "two")):
        (tmp_path / folder).mkdir()
        for name, content in (("same.whl", "same"), ("other.gz", text), (f"{folder}.only", "")):
            (tmp_path / folder / name).write_text(content)
        paths.append(sorted((tmp_path / folder).iterdir()))
    assert release.build.differences(*paths) == ["a.only", "b.only", "other.gz"]


# G5: what happens at import ------------------------------------------------------------------------------------------

LOCKED = """
set -e
mount --make-rprivate /
for point in $(awk '{print $5}' /proc/self/mountinfo | sort -r); do
    mount -o remount,bind,ro "$point" 2>/dev/null || :
done
! touch "$1" 2>/dev/null
shift
exec "$@"
"""

WATCHED = """
import os, runpy, sys
sys.dont_write_bytecode = True
seen = []
def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, str) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and path != os.devnull:
            seen.append(f"writes {path}")
    elif event in ("socket.connect", "socket.getaddrinfo", "os.mkdir", "os.rename", "os.remove", "subprocess.Popen"):
        seen.append(f"{event} {arguments}")
sys.addaudithook(watch)
import regard
sys.argv = ["regard", "train", "--help"]
try:
    runpy.run_module("regard", run_name="__main__")
except SystemExit:
    pass
print("seen", seen)
"""


def can_lock(tmp_path: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(locked(tmp_path, "true"), capture_output=True, check=False).returncode == 0


def locked(tmp_path: Path, *command: str) -> list[str]:
    """The command where nothing can be written and no network is."""
    return ["unshare", "--net", "--mount", "sh", "-c", LOCKED, "sh", str(tmp_path / "probe"), *command]


@pytest.mark.parametrize(
    "words", [["-c", "import regard"], ["-m", "regard", "--help"], ["-m", "regard", "train", "--help"]]
)
def test_g5_import_and_help_need_neither_network_nor_a_place_to_write(tmp_path, words):
    if not can_lock(tmp_path):
        pytest.skip("no namespaces of mounts and networks here (Linux, as root)")
    ended = subprocess.run(locked(tmp_path, sys.executable, *words), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""


def test_g5_import_and_help_open_nothing_for_writing_and_no_connection():
    ended = subprocess.run(
        [sys.executable, "-c", WATCHED], capture_output=True, text=True, check=True, cwd=ROOT / "src"
    )
    assert ended.stdout.rpartition("seen ")[2].strip() == "[]"


def test_g5_a_write_would_be_seen(tmp_path):
    code = WATCHED.replace("import regard\n", f"open({str(tmp_path / 'x')!r}, 'w')\n")
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "src")
    assert f"writes {tmp_path / 'x'}" in ended.stdout
