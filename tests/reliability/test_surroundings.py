"""Row D19: odd places to work in. A read-only system, no home, no shared memory, another language, odd names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = "Ein Hund läuft.\n안녕하세요 👩‍🚀\n\nDie Katze schläft.\n"
ODD_NAMES = {
    "spaces and Hangul": "a b 한글",
    "a line break": "a\nb",
    "quotes and signs": 'it\'s "$HOME" & [x] *?;#',
    "no letters at all": "-",
    "255 bytes": "한" * 80 + "n" * 15,  # 255 bytes of UTF-8, which is what a file's name may have
    "decomposed": "e\u0301te\u0301",
}
each_odd_name = pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)

BARE = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
cp -a "$2"/. "$1"
for point in $(awk '{print $5}' /proc/self/mountinfo | sort -r); do
    [ "$point" = "$1" ] || mount -o remount,bind,ro "$point" 2>/dev/null || :
done
mount -t tmpfs -o ro,size=4k tmpfs /dev/shm
cd "$1"
! touch "$2/probe" 2>/dev/null
shift 2
exec "$@"
"""


def bare(place: Path, files: Path, *command: str) -> list[str]:
    """The command in ``place`` with a copy of ``files``: elsewhere nothing can be written, and no network is there.

    Neither is there shared memory, nor a home, nor a setting of any kind.
    """
    environment = ["env", "-i", f"PATH={os.environ['PATH']}", "OMP_NUM_THREADS=1", f"PYTHONPATH={ROOT / 'src'}"]
    return ["unshare", "--net", "--mount", "sh", "-c", BARE, "sh", str(place), str(files), *environment, *command]


@pytest.fixture
def place(tmp_path):
    """A folder for the one place that can be written to; skips where no such system can be made."""
    folder, files = tmp_path / "place", tmp_path / "files"
    folder.mkdir()
    files.mkdir()
    if shutil.which("unshare") is None or subprocess.run(bare(folder, files, "true"), capture_output=True).returncode:
        pytest.skip("no namespaces of mounts and networks here (Linux, as root)")
    return folder


def run(command: list[str], **settings) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, **settings)


def regard(*words: object, stdin: str = "", **changed: str) -> subprocess.CompletedProcess[bytes]:
    """``regard WORDS`` as a process of its own, with these environment variables changed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src"), **changed}
    command = [sys.executable, "-m", "regard", *map(str, words)]
    return subprocess.run(command, capture_output=True, env=environment, input=stdin.encode(), check=False)


def test_d19_on_a_read_only_system_without_a_home_a_run_can_be_trained_and_used(place, tmp_path, toy, small_words):
    files = tmp_path / "files"
    shutil.copytree(toy, files, dirs_exist_ok=True)
    (files / "text").write_text(TEXT, encoding="utf-8")
    words = [word.replace(str(toy), str(place)) for word in small_words]
    script = 'set -e; python=$1; shift; "$python" -m regard train "$@" >&2; "$python" -m regard translate run text'
    ended = run(bare(place, files, "sh", "-c", script, "sh", sys.executable, *words, "--out", "run"))
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    lines = ended.stdout.split("\n")
    assert len(lines) == 5, "one line for each, and nothing after the last"
    assert lines[2] == ""


@each_odd_name
def test_d19_a_run_of_any_name_can_be_read_and_a_text_of_any_name(run_copy, tmp_path, command, name):
    named = run_copy.rename(tmp_path / f"{name[:-3] if len(name) > 80 else name}")
    text = tmp_path / "texts" / name
    text.parent.mkdir()
    text.write_text(TEXT, encoding="utf-8")
    ended = command("translate", named, text)
    assert (ended.code, ended.out.count("\n")) == (0, 4)
    assert ended.out.split("\n")[2] == ""
    assert command("inspect", named).code == 0


def test_d19_a_run_can_be_trained_into_a_folder_of_any_name(tmp_path, small_words, command):
    out = tmp_path / '-a b 한글\n"$HOME" [x] *'
    short = [word for word in small_words if not word.startswith("train.steps")]
    ended = command("train", *short, "train.steps=2", "--out", out)
    assert ended.code == 0, ended.err
    assert (out / "model.safetensors").exists()
    assert list(tmp_path.iterdir()) == [out]


def test_d19_a_name_without_room_for_the_folder_beside_it_is_refused(tmp_path, small_words, command):
    """While it is made, a run's folder has a longer name."""
    ended = command("train", *small_words, "--out", tmp_path / ODD_NAMES["255 bytes"])
    assert (ended.code, ended.out) == (2, "")
    assert "File name too long" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_d19_where_the_language_is_plain_ascii_texts_are_utf_8_all_the_same(finished_run, tmp_path, command):
    language = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    odd = regard("translate", finished_run, stdin=TEXT, **language)
    assert (odd.returncode, odd.stdout.decode()) == (0, command("translate", finished_run, stdin=TEXT).out), odd.stderr
    told = regard("translate", finished_run, tmp_path / "nothing-한글", **language)
    assert told.returncode == 2
    assert b"Traceback" not in told.stderr
    assert b"got no such file" in told.stderr


PRINTING = """
import os, sys
from regard.cli import main as cli
cli.app.command("act")(lambda: print("Größe 한글", os.fsdecode(b"\\xff")))
sys.argv = ["regard", "act"]
cli.main()
"""


def test_d19_what_is_printed_is_utf_8_whatever_the_language():
    """And a name of a file that is no text comes out as it is."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run([sys.executable, "-c", PRINTING], capture_output=True, env=environment, check=False)
    assert (ended.returncode, ended.stdout) == (0, "Größe 한글 ".encode() + b"\xff\n"), ended.stderr


def test_d19_the_help_needs_no_more_than_ascii():
    """It has an ellipsis and boxes."""
    told = regard("train", "--help", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert told.returncode == 0, told.stderr
    assert b"--source" in told.stdout
