"""Detection as the prediction of a set (Carion et al. 2020, section 3.1): each object is matched with one query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from regard.data.images.detection_batch import DetectionBatch
from regard.tasks.boxes import generalized_iou
from regard.tasks.loss import Losses

HOPELESS = 1e9  # the cost of a pair that is no number


@runtime_checkable
class FoundObjects(Protocol):
    """What the queries say after each of N layers: ``logits`` [N B Q C], "no object" last, ``boxes`` [N B Q 4]."""

    @property
    def logits(self) -> Tensor:
        """Of the classes."""

    @property
    def boxes(self) -> Tensor:
        """Centre, width and height as shares of the image."""


@runtime_checkable
class Detecting(Protocol):
    """What the task needs of a model."""

    def __call__(self, images: Tensor, real: Tensor, *, every: bool = False) -> FoundObjects:
        """The predictions of the last layer, or of ``every`` one."""


class Matching(NamedTuple):
    """Which query of which image has which object of the batch, at each layer: four numbers a pair."""

    layer: Int[Tensor, " pairs"]
    image: Int[Tensor, " pairs"]
    query: Int[Tensor, " pairs"]
    object: Int[Tensor, " pairs"]


@dataclass(frozen=True)
class Detection:
    """Σ over layers of L_class + 5·L₁ + 2·(1 − GIoU), each layer with a matching of its own (sections 3.1 and A.4).

    L_class = Σ w·(−log p(class)) / Σ w over all queries, where "no object", which most are, has the weight
    ``no_object``, else 1. L₁ and GIoU are those of the matched boxes, summed and divided by the number of objects. The
    matching costs least by −p(class) + 5·L₁ − 2·GIoU. Objects beyond the number of queries, the dearest, are left out.
    """

    distance: float = 5.0
    overlap: float = 2.0
    no_object: float = 0.1

    def losses(self, model: Detecting, batch: DetectionBatch) -> Losses:
        """Times the batch's ``target_tokens``; what is plain is the loss of the last layer alone."""
        found = model(batch.images, batch.real, every=True)
        by_layer = self.by_layer(found.logits, found.boxes, batch) * batch.target_tokens
        return Losses(by_layer.sum(), by_layer[-1].detach())

    def by_layer(
        self, logits: Float[Tensor, "N B Q C"], boxes: Float[Tensor, "N B Q 4"], batch: DetectionBatch
    ) -> Float[Tensor, " N"]:
        """The loss of each layer. In float32 at least, as sums in float64."""
        wide = torch.promote_types(logits.dtype, torch.float32)
        logits, boxes = logits.to(wide), boxes.to(wide)
        pairs = self.match(logits, boxes, batch)
        taken, truth = boxes[pairs.layer, pairs.image, pairs.query], batch.boxes[pairs.object].to(wide)
        apart = self.distance * (taken - truth).abs().sum(-1) + self.overlap * (1 - generalized_iou(taken, truth))
        placed = torch.zeros(len(logits), dtype=torch.float64, device=logits.device)
        placed = placed.index_add(0, pairs.layer, apart.double()) / batch.target_tokens
        return self._class_losses(logits, pairs, batch.labels) + placed

    def _class_losses(self, logits: Tensor, pairs: Matching, labels: Tensor) -> Tensor:
        layers, images, queries, classes = logits.shape
        wanted = torch.full((layers, images, queries), classes - 1, device=logits.device)
        wanted[pairs.layer, pairs.image, pairs.query] = labels[pairs.object]
        weights = logits.new_ones(classes)
        weights[-1] = self.no_object
        losses = functional.cross_entropy(logits.flatten(0, 2), wanted.flatten(), weights, reduction="none")
        return losses.view(layers, -1).sum(1, dtype=torch.float64) / weights[wanted].view(layers, -1).sum(1)

    @torch.no_grad()
    def match(
        self, logits: Float[Tensor, "N B Q C"], boxes: Float[Tensor, "N B Q 4"], batch: DetectionBatch
    ) -> Matching:
        """The cheapest pairs of queries and objects, by the Hungarian method."""
        from scipy.optimize import linear_sum_assignment

        likely = logits.softmax(-1)
        found: list[tuple[int, int, int, int]] = []
        first = 0
        for image, (labels, truths) in enumerate(batch.objects()):
            costs = self.costs(likely[:, image], boxes[:, image], labels, truths.to(boxes.dtype))
            for layer, cost in enumerate(costs.cpu().numpy()):
                rows, columns = linear_sum_assignment(cost)
                found += [(layer, image, int(q), first + int(o)) for q, o in zip(rows, columns, strict=True)]
            first += len(labels)
        return Matching(*torch.tensor(found, dtype=torch.long, device=logits.device).reshape(-1, 4).T)

    def costs(
        self,
        likely: Float[Tensor, "N Q C"],
        boxes: Float[Tensor, "N Q 4"],
        labels: Int[Tensor, " objects"],
        truths: Float[Tensor, "objects 4"],
    ) -> Float[Tensor, "N Q objects"]:
        """−p(class) + 5·L₁ − 2·GIoU of each query of one image with each of its objects."""
        pairs = boxes[:, :, None], truths[None, None]
        apart = (pairs[0] - pairs[1]).abs().sum(-1)
        cost = self.distance * apart - self.overlap * generalized_iou(*pairs) - likely[:, :, labels]
        return cost.nan_to_num(nan=HOPELESS, posinf=HOPELESS, neginf=-HOPELESS)
