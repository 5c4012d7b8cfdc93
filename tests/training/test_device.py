"""Where a model learns: what can be tested of it without a GPU."""

from __future__ import annotations

import pytest
import torch

from regard.data.batching import Batch, TextBatch
from regard.errors import SettingError
from regard.training.loop import find_device, moved


def test_a_gpu_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    expected = r"train\.device: got cuda; expected a GPU that torch sees; use train\.device=cpu\."
    with pytest.raises(SettingError, match=expected):
        find_device("cuda")
    assert find_device("cpu").type == "cpu"


def test_every_tensor_of_a_batch_goes_to_the_device_and_nothing_else_changes():
    ids = torch.zeros(2, 3, dtype=torch.int64)
    for batch in (Batch(ids, ids, 5, 6), TextBatch(ids, ids, None, 6)):
        found = moved(batch, torch.device("meta"))
        assert type(found) is type(batch)
        for name, before in vars(batch).items():
            after = vars(found)[name]
            assert after.device.type == "meta" if isinstance(before, torch.Tensor) else after == before


def test_on_the_processor_a_batch_is_itself():
    batch = Batch(torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 1, dtype=torch.int64), 1, 1)
    assert moved(batch, torch.device("cpu")) is batch
