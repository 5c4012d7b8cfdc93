from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from regard.errors import RunError, SettingError
from regard.looking.figures import alignment, positional_encoding, save, schedule, themed_svg
from regard.looking.style import DARK, INK

PIECES = ["▁ja", "</s>"]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_the_same_figure_gives_the_same_bytes(suffix: str, tmp_path: Path):
    for name in ("one", "two"):
        save(alignment([[0.7, 0.3], [0.1, 0.9]], PIECES, PIECES, "Title"), tmp_path / f"{name}{suffix}")
    one, two = (tmp_path / f"{name}{suffix}" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    kinds = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    assert one.read_bytes().startswith(kinds[suffix.lower()])


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.svg.gz", "figure.html"])
def test_other_suffixes_are_refused_and_nothing_is_written(name: str, tmp_path: Path):
    with pytest.raises(SettingError, match=r"expected a picture's \.png, \.svg or \.pdf; rename it"):
        save(schedule([1.0]), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path):
    with pytest.raises(RunError, match=r"absent.a\.png: got No such file or directory; expected a file to write to"):
        save(schedule([1.0]), tmp_path / "absent" / "a.png")


def test_pictures_leave_the_users_settings_alone_and_take_nothing_from_them():
    with matplotlib.rc_context({"text.usetex": True, "font.size": 33, "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        loud = themed_svg(schedule([0.1, 0.2]))
        assert dict(matplotlib.rcParams) == before
    assert loud == themed_svg(schedule([0.1, 0.2]))


def test_drawing_needs_no_pyplot():
    code = (
        "import sys; from regard.looking.figures import schedule, themed_svg; themed_svg(schedule([1.0])); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    source = Path(__file__).parents[2] / "src"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(source)}, check=False).returncode == 0


def test_a_themed_svg_is_one_whole_file_that_follows_light_and_dark():
    svg = themed_svg(positional_encoding(np.eye(4)))
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme:dark" in svg
    for light, dark in DARK.items():
        assert svg.count(light) == 1  # where the variable is set; nothing else is fixed to it
        assert svg.count(dark) == 1
    assert f"fill: {INK}" not in svg
    assert "<dc:date>" not in svg
    links = [value for node in root.iter() for key, value in node.attrib.items() if key.endswith("href")]
    assert links
    assert all(link.startswith(("#", "data:image/png")) for link in links)
