"""One thing that was found out, and how a check that breaks becomes one too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A name and what was found. ``expected`` and ``action`` are empty where all is well.

    ``failed``: a known answer was not found, so that nothing which regard computes here can be trusted.
    """

    name: str
    value: str
    expected: str = ""
    action: str = ""
    failed: bool = False

    @property
    def state(self) -> str:
        """``fine``, ``warning`` or ``failure``."""
        return "failure" if self.failed else "warning" if self.action else "fine"

    def sentence(self) -> str:
        """The house's sentence, for what is not fine."""
        return f"{self.name}: got {self.value}; expected {self.expected}; {self.action}."

    def to_dict(self) -> dict[str, str]:
        """For ``--json``."""
        return {
            "name": self.name,
            "value": self.value,
            "state": self.state,
            "expected": self.expected,
            "action": self.action,
        }


@dataclass(frozen=True)
class Check:
    """Something to find out. ``known_answer``: it is a part of the self-test."""

    name: str
    look: Callable[[], Iterable[Finding]]
    known_answer: bool = False

    def findings(self) -> Iterator[Finding]:
        """What it finds. Whatever breaks underway is itself a finding: no fault of the machine may hide the others."""
        try:
            yield from self.look()
        except Exception as error:
            yield Finding(
                self.name,
                f"{type(error).__name__}: {error}",
                "a check that runs",
                "report this, with the versions above",
                failed=self.known_answer,
            )
