"""The set loss: its matching against all permutations, its parts by hand, all of it against transformers."""

from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace

import pytest
import torch
import transformers
from torch import Tensor
from transformers.loss.loss_for_object_detection import ForObjectDetectionLoss, HungarianMatcher

from regard.data.images.detection_batch import DetectionBatch, detection_batch
from regard.families import detr
from regard.models.heads import Head
from regard.models.vocabulary import NO_TEXT
from regard.tasks.boxes import generalized_iou
from regard.tasks.detection import Detection

CLASSES = 3


def batch_with(*counts: int) -> DetectionBatch:
    """Images with so many objects of random classes at random places."""
    labels = [torch.randint(CLASSES, (count,)) for count in counts]
    boxes = [torch.cat((torch.rand(count, 2), 0.1 + 0.4 * torch.rand(count, 2)), 1) for count in counts]
    return detection_batch([torch.randn(3, 16, 16) for _ in counts], labels, boxes)


def said(layers: int, images: int, queries: int) -> tuple[Tensor, Tensor]:
    """Logits and boxes in float64."""
    logits = torch.randn(layers, images, queries, CLASSES + 1, dtype=torch.float64)
    return logits, torch.rand(layers, images, queries, 4, dtype=torch.float64).clamp(min=0.01)


def model_that_says(logits: Tensor, boxes: Tensor):
    """After every layer, or after the last alone."""

    def say(images: Tensor, real: Tensor, *, every: bool = False) -> SimpleNamespace:
        return SimpleNamespace(logits=logits[0 if every else -1 :], boxes=boxes[0 if every else -1 :])

    return say


def pairs_of(task: Detection, logits: Tensor, boxes: Tensor, batch: DetectionBatch) -> list[tuple[int, ...]]:
    return [tuple(row) for row in torch.stack(task.match(logits, boxes, batch)).T.tolist()]


# Matching ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objects", [1, 2, 4])
def test_no_other_pairs_cost_less(objects):
    task, batch = Detection(), batch_with(objects)
    logits, boxes = said(3, 1, 5)
    (labels, truths) = next(batch.objects())
    found = pairs_of(task, logits, boxes, batch)
    for layer in range(3):
        cost = torch.empty(5, objects, dtype=torch.float64)
        for query in range(5):
            for one in range(objects):
                box, truth = boxes[layer, 0, query], truths[one].double()
                likely = logits[layer, 0, query].softmax(-1)[labels[one]]
                cost[query, one] = -likely + 5 * (box - truth).abs().sum() - 2 * generalized_iou(box, truth)
        dearest = {
            order: sum(cost[q, o].item() for o, q in enumerate(order)) for order in permutations(range(5), objects)
        }
        own = tuple(q for _, _, q, _ in sorted((pair for pair in found if pair[0] == layer), key=lambda pair: pair[3]))
        assert own == min(dearest, key=dearest.__getitem__)


def test_matching_is_transformers():
    batch = batch_with(3, 0, 2)
    logits, boxes = said(1, 3, 7)
    targets = [{"class_labels": labels, "boxes": around.double()} for labels, around in batch.objects()]
    theirs = HungarianMatcher(1, 5, 2)({"logits": logits[0], "pred_boxes": boxes[0]}, targets)
    first, wanted = 0, []
    for image, ((queries, objects), target) in enumerate(zip(theirs, targets, strict=True)):
        wanted += [(0, image, q, first + o) for q, o in zip(queries.tolist(), objects.tolist(), strict=True)]
        first += len(target["boxes"])
    assert pairs_of(Detection(), logits, boxes, batch) == wanted


def test_objects_beyond_the_queries_are_left_out():
    batch = batch_with(4)
    logits, boxes = said(2, 1, 2)
    found = pairs_of(Detection(), logits, boxes, batch)
    for layer in range(2):
        own = [pair for pair in found if pair[0] == layer]
        assert sorted(query for _, _, query, _ in own) == [0, 1]
        assert len({one for *_, one in own}) == 2


def test_a_query_that_says_no_number_is_matched_last():
    batch = batch_with(2)
    logits, boxes = said(1, 1, 3)
    boxes[0, 0, 1] = torch.nan
    assert {query for _, _, query, _ in pairs_of(Detection(), logits, boxes, batch)} == {0, 2}


# The loss ------------------------------------------------------------------------------------------------------------


def test_by_hand():
    """Two queries, one object. The one that is matched says its class with p = ½ and is 0.1 too far to the right.

    Its box is a unit long: |0.1|, overlap 0.9 of 1.1, no space around. The other says "no object" with p = ¼.
    """
    batch = detection_batch([torch.zeros(3, 8, 8)], [torch.tensor([0])], [torch.tensor([[0.5, 0.5, 1.0, 1.0]])])
    likely = torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]], dtype=torch.float64)
    boxes = torch.tensor([[0.6, 0.5, 1.0, 1.0], [0.1, 0.1, 0.1, 0.1]], dtype=torch.float64)
    found = Detection().losses(model_that_says(likely.log()[None, None], boxes[None, None]), batch)
    ln2 = torch.tensor(2.0, dtype=torch.float64).log().item()
    wanted = (1 * ln2 + 0.1 * 2 * ln2) / 1.1 + 5 * 0.1 + 2 * (1 - 0.9 / 1.1)
    assert found.smoothed.item() == pytest.approx(wanted, abs=1e-6)
    assert found.plain.item() == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("counts", [(3, 0, 2), (1, 1, 1), (0, 0, 0), (9, 2, 0)])
def test_all_layers_together_are_transformers_loss(counts):
    """Images without objects, and one with more than there are queries, among them."""
    batch = batch_with(*counts)
    logits, boxes = said(4, 3, 7)
    config = transformers.DetrConfig(
        use_timm_backbone=False, backbone_config=transformers.ResNetConfig(), num_labels=CLASSES, decoder_layers=4
    )
    config.auxiliary_loss = True
    targets = [{"class_labels": labels, "boxes": around.double()} for labels, around in batch.objects()]
    torch.set_default_dtype(torch.float64)  # of its weights of classes
    device = torch.device("cpu")
    total, parts, _ = ForObjectDetectionLoss(logits[-1], targets, device, boxes[-1], config, logits, boxes)
    found = Detection().losses(model_that_says(logits, boxes), batch)
    per_object = max(1, sum(counts))
    assert found.smoothed.item() / per_object == pytest.approx(total.item(), rel=1e-6)
    last = parts["loss_ce"] + 5 * parts["loss_bbox"] + 2 * parts["loss_giou"]
    assert found.plain.item() / per_object == pytest.approx(last.item(), rel=1e-6)


def test_gradients_are_those_of_differences():
    batch = batch_with(2, 1)
    logits, boxes = said(2, 2, 4)
    task = Detection()

    def loss(logits: Tensor, boxes: Tensor) -> Tensor:
        return task.losses(model_that_says(logits, boxes), batch).smoothed

    assert torch.autograd.gradcheck(loss, (logits.requires_grad_(), boxes.requires_grad_()), eps=1e-7, atol=1e-5)


def test_the_order_of_objects_and_of_images_is_irrelevant():
    batch = batch_with(3, 2)
    logits, boxes = said(2, 2, 6)
    before = Detection().losses(model_that_says(logits, boxes), batch).smoothed
    order = torch.tensor([2, 0, 1])
    (first, second) = [(labels, around) for labels, around in batch.objects()]
    turned = detection_batch(list(batch.images), [first[0][order], second[0]], [first[1][order], second[1]])
    assert Detection().losses(model_that_says(logits, boxes), turned).smoothed.item() == pytest.approx(before.item())
    swapped = detection_batch(list(batch.images), [second[0], first[0]], [second[1], first[1]])
    other = model_that_says(logits.flip(1), boxes.flip(1))
    assert Detection().losses(other, swapped).smoothed.item() == pytest.approx(before.item())


def test_a_model_that_says_no_numbers_has_no_finite_loss():
    """So that the loop passes over the step."""
    logits, boxes = said(1, 1, 3)
    found = Detection().losses(model_that_says(logits * torch.nan, boxes), batch_with(2))
    assert not found.smoothed.isfinite()


def test_a_small_model_learns_to_find_what_is_always_there():
    """One object at one place, of one class: the loss falls to a tenth and the surest query has class and box."""
    torch.manual_seed(0)
    model = detr.build(detr.TOY, NO_TEXT, Head("detection", ("a", "b", "c")))
    batch = detection_batch(
        [torch.randn(3, 16, 16)] * 2, [torch.tensor([1])] * 2, [torch.tensor([[0.3, 0.6, 0.2, 0.4]])] * 2
    )
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    task, history = Detection(), []
    for _ in range(50):
        losses = task.losses(model, batch)
        optimizer.zero_grad()
        losses.smoothed.backward()
        optimizer.step()
        history.append(losses.plain.item())
    assert history[-1] < history[0] / 5
    with torch.no_grad():
        found = model.eval()(batch.images, batch.real)
    best = found.logits[0, 0].softmax(-1)[:, 1].argmax()
    torch.testing.assert_close(found.boxes[0, 0, best], torch.tensor([0.3, 0.6, 0.2, 0.4]), rtol=0, atol=0.1)
