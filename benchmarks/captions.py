"""Captions of emoji in five languages, and of drawn scenes where the cells that a noun should look at are known.

    python benchmarks/captions.py emoji CAPTIONS.jsonl IMAGES FOLDER    # train.jsonl and valid.jsonl
    python benchmarks/captions.py scenes DEV.json FOLDER                # the same, and pictures, and valid-truth.json
    python benchmarks/captions.py score RUN FOLDER [--beam 5]           # of the validation part

The emoji are Noto's, their names CLDR's. The scenes are those of NLVR (Suhr et al. 2017): three boxes of 100 × 100 with
objects whose shape, colour, size and place are given; here each box is a picture, and its caption says how many there
are of which kind ("one black circle and two yellow squares"). A tenth of the scenes are held out, with all of their
variants; a box of theirs that looks like one to train on is left out.

What is scored: captions that are right word for word, BLEU and chrF, by language; of scenes also the share of captions
whose counts are all right, of kinds named that are there, and of nouns whose most looked at cell lies on an object
of that kind; beside it the share of the picture that such objects cover, which is what chance would reach.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "de", "fr", "cs", "ko")
SIDE = 64  # pixels of a drawn box
WIDE = 100  # of a box, in the units of its description
COLOURS = {"Black": ("black", "#000000"), "Yellow": ("yellow", "#ffd500"), "#0099ff": ("blue", "#0099ff")}
CONTINUES = "·"  # before a piece that goes on with a word
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
Kind = tuple[str, str]  # colour and shape


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    print(f"{path}: {len(rows)} captions of {len({row['image'] for row in rows})} pictures")


def write_emoji(captions: Path, images: Path, folder: Path) -> None:
    """A row for each picture and language."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = defaultdict[str, list[dict[str, str]]](list)
    for line in captions.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        for language in LANGUAGES:
            if one.get(language):
                image = str((images / one["file"]).resolve())
                rows[one["split"]].append({"image": image, "text": one[language], "language": language})
    for split, name in (("train", "train"), ("valid", "valid")):
        _write(folder / f"{name}.jsonl", rows[split])


def kinds_of(box: list[dict[str, Any]]) -> Counter[Kind]:
    """How many there are of each colour and shape."""
    return Counter((COLOURS[one["color"]][0], one["type"]) for one in box)


def caption_of(kinds: Counter[Kind]) -> str:
    """Such as "one black circle and two yellow squares", by colour, then shape."""
    named = [
        f"{NUMBERS[count]} {colour} {shape}{'s' * (count > 1)}" for (colour, shape), count in sorted(kinds.items())
    ]
    return " and ".join(named)


def kinds_in(caption: str) -> Counter[Kind]:
    """What a caption says; what it says wrongly formed counts for nothing."""
    found = Counter[Kind]()
    for part in caption.split(" and "):
        words = part.split()
        if len(words) == 3 and words[0] in NUMBERS:
            found[words[1], words[2].removesuffix("s")] += NUMBERS.index(words[0])
    return found


def draw_box(box: list[dict[str, Any]]) -> Any:
    """A light grey picture of SIDE × SIDE pixels; drawn four times as large, and made smaller."""
    from PIL import Image, ImageDraw

    scale = 4 * SIDE / WIDE
    picture = Image.new("RGB", (4 * SIDE, 4 * SIDE), "#d8d8d8")
    pen = ImageDraw.Draw(picture)
    for one in box:
        left, top, size = one["x_loc"] * scale, one["y_loc"] * scale, one["size"] * scale
        right, bottom, colour = left + size, top + size, COLOURS[one["color"]][1]
        if one["type"] == "triangle":
            pen.polygon([((left + right) / 2, top), (left, bottom), (right, bottom)], fill=colour)
        else:
            draw = pen.ellipse if one["type"] == "circle" else pen.rectangle
            draw((left, top, right, bottom), fill=colour)
    return picture.resize((SIDE, SIDE), Image.Resampling.BOX)


def write_scenes(described: Path, folder: Path) -> None:
    """Pictures of the boxes that differ, their captions, and the objects of those that are held out."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    parts: dict[str, dict[str, list[dict[str, Any]]]] = {"train": {}, "valid": {}}
    for line in described.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        scene = int(one["identifier"].split("-")[0])
        for box in one["structured_rep"]:
            if box:
                objects = sorted(box, key=lambda item: (item["y_loc"], item["x_loc"], item["type"], item["color"]))
                parts["valid" if scene % 10 == 0 else "train"][json.dumps(objects, sort_keys=True)] = objects
    rows, truths, number = defaultdict[str, list[dict[str, str]]](list), dict[str, Any](), 0
    for name, boxes in parts.items():
        for key, objects in boxes.items():
            if name == "valid" and key in parts["train"]:
                continue
            path = folder / "pictures" / f"{number:04}.png"
            draw_box(objects).save(path)
            rows[name].append({"image": str(path.resolve()), "text": caption_of(kinds_of(objects))})
            number += 1
            if name == "valid":
                truths[str(path.resolve())] = objects
        _write(folder / f"{name}.jsonl", rows[name])
    (folder / "valid-truth.json").write_text(json.dumps(truths), encoding="utf-8")


def covered(objects: list[dict[str, Any]], kind: Kind, side: int) -> Any:
    """How much of each cell [side, side] is under the squares around the objects of a kind, from 0 to 1."""
    import numpy as np

    fine = np.zeros((WIDE, WIDE))
    for one in objects:
        if (COLOURS[one["color"]][0], one["type"]) == kind:
            top, left, size = one["y_loc"], one["x_loc"], one["size"]
            fine[max(top, 0) : top + size, max(left, 0) : left + size] = 1
    edges = np.linspace(0, WIDE, side + 1).round().astype(int)
    rows = np.add.reduceat(np.add.reduceat(fine, edges[:-1], 0), edges[:-1], 1)
    return rows / np.outer(np.diff(edges), np.diff(edges))


def nouns_seen(model: Any, path: str, objects: list[dict[str, Any]]) -> list[tuple[bool, float, float]]:
    """For each noun that names a kind which is there: whether its brightest cell is on one, how much of its attention
    falls on such cells, and how much of the picture they are."""
    from regard.looking.seeing import see

    found, words = [], list[tuple[str, Any]]()
    for glance in see(model, path).glances:
        piece = glance.title
        if piece.startswith(CONTINUES) and words:
            words[-1] = words[-1][0] + piece.removeprefix(CONTINUES), words[-1][1] + glance.cells
        else:
            words.append((piece, glance.cells))
    kinds = kinds_of(objects)
    for (colour, _), (noun, cells) in pairwise(words):
        kind = colour, noun.removesuffix("</s>").removesuffix("s")
        if kind in kinds:
            shares = cells.numpy() / float(cells.sum())
            under = covered(objects, kind, len(shares))
            brightest = under.flat[shares.argmax()] > 0
            found.append((bool(brightest), float((shares * (under > 0)).sum()), float((under > 0).mean())))
    return found


def score_scenes(model: Any, paths: list[str], found: list[str], truths: dict[str, Any]) -> None:
    """Counts, kinds and where the nouns look."""
    right = kinds = named = 0
    seen: list[tuple[bool, float, float]] = []
    for path, caption in zip(paths, found, strict=True):
        true, said = kinds_of(truths[path]), kinds_in(caption)
        right += said == true
        kinds += len(set(said) & set(true))
        named += len(said)
        seen += nouns_seen(model, path, truths[path])
    print(f"all counts right: {right / len(paths):.1%} of {len(paths)} captions")
    print(f"kinds named that are there: {kinds / max(1, named):.1%} of {named}")
    if not seen:
        return
    brightest, mass, chance = (sum(column) / len(seen) for column in zip(*seen, strict=True))
    print(f"nouns whose brightest cell is on their object: {brightest:.1%} of {len(seen)}; by chance {chance:.1%}")
    print(f"attention of a noun on cells of its objects: {mass:.1%}")


def score(run: str, folder: Path, beam: int) -> None:
    """Caption the validation part, language by language."""
    import regard
    from regard.evaluation.captions import captions

    opened = regard.load(run)
    model = replace(opened, decoding=opened.settings(beam=beam))
    rows = [json.loads(line) for line in (folder / "valid.jsonl").read_text(encoding="utf-8").splitlines()]
    for language in sorted({row.get("language") for row in rows}, key=str):
        some = [row for row in rows if row.get("language") == language]
        paths = [row["image"] for row in some]
        found = [one.n_best[0].text for one in model.captioner.caption(paths, model.decoding, language)]
        print(f"\n{language or 'captions'}: {len(some)}")
        for row in captions(found, [row["text"] for row in some]).rows():
            print("  ".join(row))
        if (folder / "valid-truth.json").exists():
            truths = json.loads((folder / "valid-truth.json").read_text(encoding="utf-8"))
            score_scenes(model, paths, found, truths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(dest="job", required=True)
    emoji, scenes, scored = (jobs.add_parser(name) for name in ("emoji", "scenes", "score"))
    emoji.add_argument("captions", type=Path)
    emoji.add_argument("images", type=Path)
    scenes.add_argument("described", type=Path)
    for one in (emoji, scenes):
        one.add_argument("folder", type=Path)
    scored.add_argument("run")
    scored.add_argument("folder", type=Path)
    scored.add_argument("--beam", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.job == "emoji":
        write_emoji(arguments.captions, arguments.images, arguments.folder)
    elif arguments.job == "scenes":
        write_scenes(arguments.described, arguments.folder)
    else:
        score(arguments.run, arguments.folder, arguments.beam)


if __name__ == "__main__":
    main()
