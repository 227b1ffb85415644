"""Ctrl-C at the end of the iteration: weights in the middle of an update belong to no point of the curve."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType, TracebackType

logger = logging.getLogger(__name__)


class DeferredInterrupt:
    """While entered, the first Ctrl-C only sets `pending`; the second raises KeyboardInterrupt at once.

    Outside of the main thread, where Python allows no handlers, it does nothing.
    """

    def __init__(self) -> None:
        self.pending = False

    def __enter__(self) -> DeferredInterrupt:
        self._old = None
        if threading.current_thread() is threading.main_thread():
            self._old = signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.pending:
            raise KeyboardInterrupt
        self.pending = True
        logger.warning("finishing this iteration to save a checkpoint; press Ctrl-C again to stop at once")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._old is not None:
            signal.signal(signal.SIGINT, self._old)
