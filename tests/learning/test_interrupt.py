from __future__ import annotations

import os
import signal
import threading

import pytest

from marl.learning.interrupt import DeferredInterrupt


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_press_is_noted_and_the_second_raises() -> None:
    before = signal.getsignal(signal.SIGINT)
    with DeferredInterrupt() as interrupt:
        assert not interrupt.pending
        press()
        assert interrupt.pending
        with pytest.raises(KeyboardInterrupt):
            press()
    assert signal.getsignal(signal.SIGINT) is before


def test_it_stays_away_from_signals_in_other_threads() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def body() -> None:
        with DeferredInterrupt() as interrupt:
            seen.append((interrupt.pending, signal.getsignal(signal.SIGINT) is before))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [(False, True)]
