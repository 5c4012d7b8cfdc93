"""Classes of a picture, from the mean of what a convolutional network made of its cells."""

from __future__ import annotations

from torch import Tensor, nn

from regard.layers.grid_attention import GridAttention
from regard.models.halves import Attentions
from regard.models.resnet import ResNet
from regard.models.vocabulary import NO_TEXT, Vocabulary
from regard.notation import Images


class GridClassifier(nn.Module):
    """W mean_cells(backbone(picture)) + b (He et al. 2016, table 1); without ``classes`` the mean itself."""

    def __init__(self, backbone: ResNet, classes: int | None) -> None:
        super().__init__()
        self.backbone = backbone
        self.output = nn.Linear(backbone.width, classes) if classes is not None else None
        self.ids: Vocabulary = NO_TEXT
        self.most_tokens: int | None = None

    def forward(self, images: Images) -> Tensor:
        """[B, channels]."""
        return self.backbone(images.to(self.backbone.stem.convolution.weight.dtype)).mean((2, 3))

    def classify(self, images: Images) -> Tensor:
        """The classes' logits [B, C]."""
        pooled = self(images)
        return pooled if self.output is None else self.output(pooled)

    def attentions(self) -> Attentions:
        """That of cells to cells, wherever it stands."""
        return {"encoder": [one.attention for one in self.modules() if isinstance(one, GridAttention)]}
