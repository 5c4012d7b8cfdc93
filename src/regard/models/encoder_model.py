"""An encoder by itself (BERT and its kind, ViT): every token or patch is read in the light of all the others."""

from __future__ import annotations

from torch import Tensor, nn

from regard.layers.embedding import OutputLayer
from regard.layers.mask import padding_mask
from regard.models.halves import Attentions
from regard.models.heads import TextHead, TokenHead
from regard.models.stack import Encoder
from regard.models.vocabulary import Vocabulary
from regard.notation import Hidden, Ids, ImageInput


class EncoderModel(nn.Module):
    """h = encoder(text); over it P(token | text with that token hidden), or the classes of the text or its tokens."""

    def __init__(
        self,
        encoder: Encoder,
        vocabulary: Vocabulary,
        *,
        output: OutputLayer | None = None,
        before_output: nn.Module | None = None,
        head: TextHead | TokenHead | None = None,
        most_tokens: int | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.before_output = before_output
        self.output = output
        self.head = head
        self.ids = vocabulary
        self.most_tokens = most_tokens

    def forward(self, ids: ImageInput, types: Ids | None = None) -> Hidden:
        """The state of every token or patch. ``types``: 0 for the tokens of a first text, 1 for those of a second."""
        mask = None if self.ids.pad is None else padding_mask(ids, self.ids.pad)
        return self.encoder(ids, mask, types)

    def transform(self, hidden: Tensor) -> Tensor:
        """What the output layer reads."""
        return hidden if self.before_output is None else self.before_output(hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """[…, D] → [… V]."""
        assert self.output is not None, "a model without an output layer predicts no tokens"
        return self.output(self.transform(hidden))

    def classify(self, ids: ImageInput, types: Ids | None = None) -> Tensor:
        """The classes' logits: [B, C] of texts or pictures, [B, T, C] of tokens."""
        assert self.head is not None, "a model without a head has no classes"
        return self.head(self(ids, types), ids)

    def attentions(self) -> Attentions:
        """That of each layer to the whole text."""
        return {"encoder": self.encoder.self_attentions()}
