"""Pictures out of files: what is good comes out right, what is bad is named before it does harm."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from regard.data.images import picture
from regard.data.images.picture import read_picture
from regard.errors import DataError

COLOURS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[9, 99, 199], [255, 255, 255], [0, 0, 0]]], np.uint8)


def written(tmp_path, image: Image.Image, name: str, **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


def bomb(width: int, height: int) -> bytes:
    """A PNG of a hundred bytes whose header promises that many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.ppm", "a.webp", "a.gif"])
def test_every_lossless_format_gives_the_pixels_that_were_written(tmp_path, name):
    options = {"lossless": True} if name == "a.webp" else {}
    assert np.array_equal(
        np.asarray(read_picture(written(tmp_path, Image.fromarray(COLOURS), name, **options))), COLOURS
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_its_camera_was_held(tmp_path, orientation):
    """The EXIF numbers: mirrored for 2, 4, 5, 7; turned by a quarter from 5 on (EXIF 2.3, 4.6.4)."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = np.asarray(read_picture(written(tmp_path, Image.fromarray(COLOURS), "a.png", exif=exif)))
    stored = COLOURS
    expected = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.transpose(1, 0, 2),
        6: np.rot90(stored, -1),
        7: stored.transpose(1, 0, 2)[::-1, ::-1],
        8: np.rot90(stored),
    }
    assert np.array_equal(found, expected[orientation])


def test_of_sixteen_bits_the_upper_eight_are_kept(tmp_path):
    grey = np.array([[0, 255, 256, 65535]], np.uint16)
    found = np.asarray(read_picture(written(tmp_path, Image.fromarray(grey), "a.png")))
    assert found.tolist() == [[[0] * 3, [0] * 3, [1] * 3, [255] * 3]]


def test_cmyk_and_grey_become_rgb(tmp_path):
    cmyk = Image.fromarray(np.array([[[0, 255, 255, 0], [0, 0, 0, 255]]], np.uint8), "CMYK")
    red, black = np.asarray(read_picture(written(tmp_path, cmyk, "a.tif")))[0].tolist()
    assert (red, black) == ([255, 0, 0], [0, 0, 0])
    grey = np.asarray(read_picture(written(tmp_path, Image.new("L", (1, 1), 77), "b.png")))
    assert grey.tolist() == [[[77, 77, 77]]]


def test_what_is_transparent_is_white(tmp_path):
    clear = Image.fromarray(np.array([[[200, 0, 0, 0], [200, 0, 0, 255]]], np.uint8), "RGBA")
    assert np.asarray(read_picture(written(tmp_path, clear, "a.png")))[0].tolist() == [[255] * 3, [200, 0, 0]]


def test_of_a_moving_picture_the_first_frame_is_read(tmp_path):
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("#ff0000", "#0000ff")]
    path = written(tmp_path, frames[0], "a.gif", save_all=True, append_images=frames[1:])
    assert np.asarray(read_picture(path))[0, 0].tolist() == [255, 0, 0]


def test_b16_a_picture_of_billions_of_pixels_is_refused_before_it_is_decoded(tmp_path):
    (tmp_path / "a.png").write_bytes(bomb(50_000, 50_000))
    with pytest.raises(
        DataError, match=r"a\.png: got .*2500000000 pixels.*; expected at most 64,000,000 pixels; make it"
    ):
        read_picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(bomb(9_000, 8_000))
    with pytest.raises(DataError, match=r"b\.png: got 9,000 × 8,000 pixels; expected at most 64,000,000 pixels"):
        read_picture(tmp_path / "b.png")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_b16_a_truncated_picture_is_refused(tmp_path, name, share):
    noise = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
    whole = written(tmp_path, Image.fromarray(noise), name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=r"a\.(jpg|png|webp): got a (damaged picture|file that begins with)"):
        read_picture(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 'got a file that begins with b"<svg xmlns='),
        (b"<html><script>alert(1)</script></html>", "got a file that begins with b'<html><scrip'; expected one of PNG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "got a file that begins with b'%!PS-Adobe-3'"),
        (b"", "got an empty file; expected one of PNG, JPEG, WEBP, GIF, BMP, TIFF, PPM; convert it, or leave it out"),
    ],
    ids=["svg", "html", "postscript", "empty"],
)
def test_b16_what_is_no_picture_is_named_whatever_it_calls_itself(tmp_path, content, says):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_picture(tmp_path / "a.png")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.png: got No such file or directory; expected a picture to read; check"):
        read_picture(tmp_path / "none.png")
    with pytest.raises(DataError, match="got Is a directory"):
        read_picture(tmp_path)


def test_flipped_bytes_bring_out_no_other_exception(tmp_path):
    """Whatever Pillow makes of damage, it is a picture or our own refusal."""
    noise = np.random.default_rng(2).integers(0, 256, (24, 24, 3), np.uint8)
    chance = np.random.default_rng(3)
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, kind)
        for _ in range(60):
            content = np.frombuffer(buffer.getvalue(), np.uint8).copy()
            places = chance.integers(0, min(len(content), 400), 3)
            content[places] = chance.integers(0, 256, 3)
            try:
                found = picture.picture_of(content.tobytes(), "flipped")
            except DataError:
                continue
            assert found.mode == "RGB"
