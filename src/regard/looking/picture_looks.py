"""Looks at a picture, for the page: its cells in the place of a source's words."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from regard.errors import RunError
from regard.looking.attribution.methods import ROLLOUT
from regard.looking.attribution.rollout import rollout
from regard.looking.choices import choices
from regard.looking.look import CROSS, DECODER, ENCODER, STACKS, Attention, Cells, Look, Words
from regard.looking.looks import words
from regard.looking.picture_runs import Opened, View, is_square, judged, objects_in, told, view
from regard.looking.style import COLOURS

NOTHING = torch.empty(0, 0, 0, 0)
AT_MOST = 8 * 2**20  # weights of a stack, a byte each in a page: beyond it the mean of the heads, or nothing
CLASS_TOKEN = "[CLS]"
LEAST_SIDE = 320  # pixels of a picture with boxes, so that their lines are thin


def looks_at_picture(model: Opened, picture: Path | str | Image.Image, language: str | None = None) -> list[Look]:
    """All that there is to see of a picture in a model.

    A captioner: its words, which look at the cells. ViT: the class token and the patches, and their rollout. DETR: the
    surest objects, framed in the picture. A CNN with attention inside: a look for each grid, as they differ in size.
    Of so many cells that their attention to each other would be more than ``AT_MOST`` it is the mean of the heads, or
    left out (DETR at its full size).
    Raises RunError for a model without attention or where nothing of it is left, SettingError where a captioner does
    not know the ``language``.
    """
    seen = view(model, picture)
    if model.head.kind == "detection":
        looks = [_objects(model, seen)]
    elif model.head.kind == "language":
        looks = [_caption(model, seen, language)]
    else:
        looks = _classes(model, seen)
    shown = [look for look in looks if any(len(look.attention.of(stack)) for stack in STACKS)]
    if not shown:
        got, expected = "too many cells for a page, and no object", f"at most {AT_MOST:,} weights of them"
        raise RunError.because("look", got, expected, "use --out FILE.png, or a smaller picture")
    return shown


def _caption(model: Any, seen: View, language: str | None) -> Look:
    caption, tokenizer = told(model, seen.images, language), model.target_tokenizer
    logs = caption.logits.double().log_softmax(-1)
    cross = caption.trace.of(CROSS)[:, 0]
    decoder = caption.trace.of(DECODER)
    return Look(
        model.folder.name,
        model.family,
        _square(seen, cross.shape[-1]),
        Attention(NOTHING, decoder[:, 0] if len(decoder) else NOTHING, cross),
        words(tokenizer, caption.ids),
        words(tokenizer, caption.fed),
        choices=choices(caption.logits, tokenizer.pieces_of),
        text=caption.text,
        log_probabilities=tuple(float(logs[place, index]) for place, index in enumerate(caption.ids)),
    )


def _classes(model: Opened, seen: View) -> list[Look]:
    shares, layers = judged(model, seen.images)
    classes = dict(zip(model.head.labels, shares.tolist(), strict=True)) if model.head.labels else {}
    if not is_square(layers[0].shape[-1]):
        stack = torch.stack(layers)
        source = _square(seen, stack.shape[-1] - 1, (CLASS_TOKEN,))
        return [
            Look(
                model.folder.name,
                model.family,
                source,
                Attention(_within(stack), NOTHING, NOTHING),
                summaries={ROLLOUT: rollout(stack)},
                summed=ENCODER,
                classes=classes,
            )
        ]
    looks = []
    for number, weights in enumerate(layers, start=1):
        source, attention = _square(seen, weights.shape[-1]), Attention(_within(weights[None]), NOTHING, NOTHING)
        name = model.folder.name + (f", attention {number}" if len(layers) > 1 else "")
        looks.append(Look(name, model.family, source, attention, classes=classes))
    return looks


def _objects(model: Any, seen: View) -> Look:
    found, trace, (rows, columns) = objects_in(model, seen)
    queries = torch.tensor([one.query for one in found], dtype=torch.long)
    named = Words(tuple(f"{one.label} {one.score:.0%}" for one in found), (True,) * len(found))
    cross = torch.stack([calls[0][0] for calls in trace.calls[CROSS]])[:, :, queries]
    encoder = torch.stack([calls[0][0] for calls in trace.calls[ENCODER]])
    source = Cells(rows, columns, _png(_framed(seen, found, model.head.labels)))
    attention = Attention(_within(encoder), NOTHING, cross if len(found) else NOTHING)
    target = named if len(found) else None
    return Look(model.folder.name, model.family, source, attention, target, target)


def _square(seen: View, cells: int, before: tuple[str, ...] = ()) -> Cells:
    side = round(cells**0.5)
    return Cells(side, side, _png(Image.fromarray(seen.shown)), before)


def _within(weights: Tensor) -> Tensor:
    """[N, H, S, S], or as much of it as a page has room for."""
    if weights.numel() > AT_MOST:
        weights = weights.mean(1, keepdim=True)
    return weights if weights.numel() <= AT_MOST else NOTHING


def _framed(seen: View, found: Any, labels: tuple[str, ...]) -> Image.Image:
    """The picture with a frame around each object, in the colour of its class."""
    height, width = seen.shown.shape[:2]
    times = max(1, -(-LEAST_SIDE // min(height, width)))
    picture = Image.fromarray(seen.shown).resize((times * width, times * height), Image.Resampling.BILINEAR)
    pen, across, down = ImageDraw.Draw(picture), picture.width / seen.whole.width, picture.height / seen.whole.height
    for one in found:
        left, top, right, bottom = one.box
        colour = COLOURS[labels.index(one.label) % len(COLOURS)]
        pen.rectangle((left * across, top * down, right * across, bottom * down), outline=colour, width=2)
    return picture


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
