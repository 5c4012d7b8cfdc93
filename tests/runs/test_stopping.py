"""A request to stop: the first signal is noted, the second acts as ever."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from regard.runs.stopping import SIGNALS, StopRequest


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Whatever a test does, the handlers are afterwards as they were."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_does_what_it_always_does(number):
    heard = []
    signal.signal(number, lambda got, frame: heard.append(got))
    with StopRequest() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
        assert heard == []
        os.kill(os.getpid(), number)
        assert heard == [number]


def test_a_second_control_c_interrupts():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with StopRequest():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_another_kind_of_second_signal_acts_too():
    heard = []
    signal.signal(signal.SIGTERM, lambda got, frame: heard.append(got))
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.requested
    assert heard == [signal.SIGTERM]


@pytest.mark.parametrize("error", [None, ValueError])
def test_afterwards_the_handlers_are_as_before(error):
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with StopRequest():
            assert {number: signal.getsignal(number) for number in SIGNALS} != before
            if error:
                raise error
    except ValueError:
        pass
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


def test_in_another_thread_nobody_listens_and_nothing_breaks():
    found = []

    def work() -> None:
        with StopRequest() as stop:
            found.append((stop.requested, signal.getsignal(signal.SIGTERM)))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, before)]
