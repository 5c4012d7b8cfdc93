"""A stack machine that walks a pickle's opcodes and builds records: dictionaries of tensors, and nothing else.

It knows the few opcodes that ``torch.save`` writes a dictionary of tensors with, and compares names with a fixed list;
at anything else it stops. Nothing is imported or called, and no number of a tensor is read.
"""

from __future__ import annotations

import math
import pickletools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from regard.errors import CheckpointError

DTYPES = {
    "torch FloatStorage": torch.float32,
    "torch DoubleStorage": torch.float64,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
}
ORDERED, TENSOR, PARAMETER = (
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
)
STEPS = 2_000_000  # opcodes; a model of 1,000 tensors has about 30,000
MOST = 1 << 48  # numbers, in a shape or a stride


@dataclass(frozen=True)
class Storage:
    """A row of numbers in the file, as the file declares it."""

    key: str
    dtype: torch.dtype
    numel: int

    @property
    def bytes(self) -> int:
        """What it takes in the file."""
        return self.numel * self.dtype.itemsize


@dataclass(frozen=True)
class Stored:
    """A dense tensor as the file declares it: a view of a storage. Offset and strides are in numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, numbers: Tensor) -> Tensor:
        """The tensor, out of its storage's numbers: a view where it is contiguous, else a copy."""
        if 0 in self.shape:
            return torch.empty(self.shape, dtype=self.storage.dtype)
        return numbers.as_strided(self.shape, self.strides, self.offset).contiguous()


def refusal(path: Path, got: object) -> CheckpointError:
    """The error for a file that is not what is read here."""
    expected, action = "a dictionary of dense tensors", "convert it to safetensors where you trust it"
    return CheckpointError.because(path, got, expected, action)


@dataclass(frozen=True)
class _Name:
    """A name that the file would have imported. It stays a name."""

    text: str


def short(text: str) -> str:
    """A text out of the file, in quotes, at most 80 characters of it."""
    return repr(text if len(text) <= 80 else text[:80] + "…")


class Machine:
    """Runs one pickle on a stack of plain values, of which names, storages and tensors are records."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.storages: dict[str, Storage] = {}
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks under each mark
        self._memo: dict[int, Any] = {}

    def run(self, file: BinaryIO) -> Any:
        """Walk one pickle and leave ``file`` behind its end; what it builds. Raises CheckpointError, or as damaged."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a text with odd escapes, in an opcode that is refused next
            for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
                if count >= STEPS:
                    raise refusal(self.path, f"more than {STEPS:,} opcodes")
                if not self._plain(opcode.name, argument):
                    self._compound(opcode.name, argument)
        return self._stack.pop()

    def _plain(self, opcode: str, argument: Any) -> bool:
        """Opcodes that push a value, or move one to or from the memo. False where it is none of these."""
        stack = self._stack
        match opcode:
            case "PROTO" | "STOP":
                pass
            case "BINUNICODE" | "SHORT_BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[opcode])
            case "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_DICT":
                stack.append({"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}[opcode]())
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case _:
                return False
        return True

    def _compound(self, opcode: str, argument: Any) -> None:
        """Opcodes that build something out of the stack."""
        stack = self._stack
        match opcode:
            case "MARK":
                self._below.append(stack)
                self._stack = []
            case "TUPLE":
                self._since_mark().append(tuple(stack))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                parts = [stack.pop() for _ in range(int(opcode[-1]))]
                stack.append(tuple(reversed(parts)))
            case "APPEND":
                value = stack.pop()
                self._of_kind(list).append(value)
            case "APPENDS":
                self._since_mark()
                self._of_kind(list).extend(stack)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._fill(self._of_kind(dict), [key, value])
            case "SETITEMS":
                self._since_mark()
                self._fill(self._of_kind(dict), stack)
            case "BUILD":  # the versions of modules that a state_dict carries
                stack.pop()
                self._of_kind(dict)
            case "GLOBAL":
                stack.append(self._known(argument))
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case "REDUCE":
                arguments, function = stack.pop(), stack.pop()
                stack.append(self._built(function, arguments))
            case _:
                raise refusal(self.path, f"the pickle opcode {opcode}")

    def _since_mark(self) -> list[Any]:
        """Go back to the stack under the newest mark."""
        self._stack = self._below.pop()
        return self._stack

    def _of_kind(self, kind: type) -> Any:
        if not isinstance(self._stack[-1], kind):
            raise refusal(self.path, f"a {type(self._stack[-1]).__name__} that is used as a {kind.__name__}")
        return self._stack[-1]

    def _fill(self, table: dict[str, Any], items: list[Any]) -> None:
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) is not str or key in table:
                raise refusal(self.path, "a key that is no text or stands twice")
            table[key] = value

    def _known(self, name: str) -> _Name:
        if name not in DTYPES and name not in (ORDERED, TENSOR, PARAMETER):
            raise refusal(self.path, f"the name {short(name)}, which is not looked up")
        return _Name(name)

    def _storage(self, reference: Any) -> Storage:
        match reference:
            case ("storage", _Name(kind), str(key), str(), int(numel), *rest) if kind in DTYPES and rest in (
                [],
                [None],
            ):
                storage = Storage(key, DTYPES[kind], numel)
                if numel >= 0 and self.storages.setdefault(key, storage) == storage:
                    return storage
        raise refusal(self.path, "a reference to something other than one plain storage")

    def _built(self, function: Any, arguments: Any) -> Any:
        match function, arguments:
            case _Name(text), () if text == ORDERED:
                return {}
            case _Name(text), (Stored() as tensor, bool(), dict()) if text == PARAMETER:
                return tensor
            case _Name(text), (Storage() as storage, int(offset), tuple(shape), tuple(strides), *_) if text == TENSOR:
                if _fits(storage, offset, shape, strides):
                    return Stored(storage, offset, shape, strides)
                raise refusal(self.path, f"a tensor that reaches outside its storage {short(storage.key)}")
        raise refusal(self.path, "a call that builds no dense tensor")


def _fits(storage: Storage, offset: int, shape: tuple[Any, ...], strides: tuple[Any, ...]) -> bool:
    """Whether a view lies in its storage: offset + Σ (size − 1) · stride < numel, or it is empty."""
    numbers = (offset, *shape, *strides)
    if len(shape) != len(strides) or len(shape) > 16 or not all(type(n) is int and 0 <= n < MOST for n in numbers):
        return False
    if math.prod(max(size, 1) for size in shape) >= MOST:
        return False
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    return 0 in shape or last < storage.numel
