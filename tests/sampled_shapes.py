"""Shapes are checked at the first calls of each function in each test, and at every seventh after that.

A check takes longer than a tiny model's layer, and the thousandth step of a loop has the shapes of its first. With
SHAPES=all in the environment every call is checked.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from types import FunctionType
from typing import Any

import jaxtyping

FIRST, EVERY = 8, 7  # a prime, so that no layer of a loop is always passed over
ALL = os.environ.get("SHAPES") == "all"

_check_every_call = jaxtyping.jaxtyped
_test = [0]  # which test it is, by number


def next_test() -> None:
    """Begin to count calls anew."""
    _test[0] += 1


def sampled(original: Any = None, **options: Any) -> Any:
    """As ``jaxtyping.jaxtyped``, for some of the calls."""
    if original is None:
        return functools.partial(sampled, **options)
    checked = _check_every_call(original, **options)
    if ALL or not isinstance(original, FunctionType):
        return checked
    return _at_some_calls(original, checked)


def _at_some_calls(plain: Callable[..., Any], checked: Callable[..., Any]) -> Callable[..., Any]:
    test = calls = 0

    @functools.wraps(checked)
    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal test, calls
        if test != _test[0]:
            test, calls = _test[0], 0
        calls += 1
        return (plain if calls > FIRST and calls % EVERY else checked)(*arguments, **options)

    return call


jaxtyping.jaxtyped = sampled  # what the import hook puts over every function
