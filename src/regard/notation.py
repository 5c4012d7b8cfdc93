"""One alphabet of axes, and the tensor types made from it.

===== ================================ ===== ================================
axis  meaning                          axis  meaning
===== ================================ ===== ================================
``B`` sentences in a batch             ``K`` d_k, width of a query and key
``T`` target (query) positions         ``W`` d_v, width of a value
``S`` source (key) positions           ``F`` d_ff, inner width of a feed-forward
``D`` d_model                          ``V`` vocabulary
``H`` query heads                      ``N`` layers
``G`` key/value heads                  ``R`` rows of a search: sentences × beams
``E`` width of a narrow embedding      ``C`` classes, or channels of a picture
``P`` patches or cells of a picture    ``Q`` object queries
===== ================================ ===== ================================

The types are checked by beartype in the tests only; at run time they cost nothing.
"""

from jaxtyping import Bool, Float, Int
from torch import Tensor

Ids = Int[Tensor, "B T"]
SourceIds = Int[Tensor, "B S"]
SourceMask = Bool[Tensor, "B S"]
Real = Bool[Tensor, "B T"]

Places = Int[Tensor, "#B T"]
KeyPlaces = Int[Tensor, "#B S"]

Vectors = Float[Tensor, "B T E"]
Hidden = Float[Tensor, "B T D"]
Memory = Float[Tensor, "B S D"]
Contexts = Float[Tensor, "B T W"]
Logits = Float[Tensor, "B T V"]

Queries = Float[Tensor, "B H T K"]
Keys = Float[Tensor, "B G S K"]
Values = Float[Tensor, "B G S W"]
HeadVectors = Float[Tensor, "B H T K"]
HeadOutputs = Float[Tensor, "B H T W"]
Scores = Float[Tensor, "B H T S"]
Mask = Bool[Tensor, "#B #H #T S"]
SelfMask = Bool[Tensor, "#B #H T T"]
Bias = Float[Tensor, "#B #H #T S"]
SelfBias = Float[Tensor, "#B #H T T"]
StepBias = Float[Tensor, "#B #H 1 past"]
StepMask = Bool[Tensor, "#B #H 1 past"]

RowNumbers = Int[Tensor, " R"]
RowIds = Int[Tensor, "R T"]
RowHidden = Float[Tensor, "R T D"]
StepIds = Int[Tensor, " R"]
StepHidden = Float[Tensor, "R 1 D"]
StepVectors = Float[Tensor, "R 1 E"]
StepLogits = Float[Tensor, "R V"]
RowStates = Float[Tensor, "R D"]
RowGates = Float[Tensor, "R gates"]

Images = Float[Tensor, "B C height width"]
ImageSource = SourceIds | Images
ImageInput = Ids | Images
RealPixels = Bool[Tensor, "B height width"]
FeatureMap = Float[Tensor, "B channels rows columns"]
RealCells = Bool[Tensor, "B rows columns"]

ClassLogits = Float[Tensor, "B C"]
TokenClassLogits = Float[Tensor, "B T C"]

__all__ = [
    "Bias",
    "ClassLogits",
    "Contexts",
    "FeatureMap",
    "HeadOutputs",
    "HeadVectors",
    "Hidden",
    "Ids",
    "ImageInput",
    "ImageSource",
    "Images",
    "KeyPlaces",
    "Keys",
    "Logits",
    "Mask",
    "Memory",
    "Places",
    "Queries",
    "Real",
    "RealCells",
    "RealPixels",
    "RowGates",
    "RowHidden",
    "RowIds",
    "RowNumbers",
    "RowStates",
    "Scores",
    "SelfBias",
    "SelfMask",
    "SourceIds",
    "SourceMask",
    "StepBias",
    "StepHidden",
    "StepIds",
    "StepLogits",
    "StepMask",
    "StepVectors",
    "TokenClassLogits",
    "Values",
    "Vectors",
]
