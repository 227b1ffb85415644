"""What one process holds of a server: the client, the key, an event loop for both, and the limits on their use."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import random
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from marl.errors import ModelError
from marl.models.api_answer import Fault, Reply, excerpt, read_body, read_error
from marl.models.api_pace import Pace
from marl.settings import APISettings

_T = TypeVar("_T")
_logger = logging.getLogger(__name__)


def check_setup(name: str, settings: APISettings) -> None:
    """Raises ModelError where policy `name` lacks the `openai` package or the environment variable with its key."""
    if importlib.util.find_spec("openai") is None:
        raise ModelError(
            f"policy {name!r} needs the package openai, which is not installed; pip install 'parley-marl[api]'"
        )
    read_key(name, settings)


def read_key(name: str, settings: APISettings) -> str:
    """The key in the environment variable that the scenario names; empty where it names none."""
    variable = settings.api_key_env
    if variable is None:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ModelError(
            f"policy {name!r}: the environment variable {variable} is not set or empty; put the key of "
            f"{settings.base_url} there (export {variable}=...), or leave api_key_env out for a server without keys"
        )
    if not (key.isascii() and key.isprintable()):
        raise ModelError(f"policy {name!r}: the value of {variable} holds characters that no key has; copy it again")
    return key


class Connection:
    """A client of one server with an event loop in a thread of its own, so that it also serves callers with a loop.

    `places` are the requests that may be under way at a time, `settled` is notified when one of them is on the meter,
    and `pace` keeps the limits a minute.
    """

    def __init__(self, name: str, settings: APISettings) -> None:
        import openai

        self.process = os.getpid()
        self.places = asyncio.Semaphore(settings.concurrency)
        self.settled = asyncio.Condition()
        self.pace = Pace(settings.requests_per_minute, settings.tokens_per_minute)
        self._settings = settings
        self._key = read_key(name, settings)
        self._jitter = random.Random()
        self._warned = False
        # The client takes OPENAI_ORG_ID and OPENAI_PROJECT_ID from the environment; only OpenAI shall see them.
        home = settings.base_url.startswith("https://api.openai.com/")
        headers: Any = {} if home else dict.fromkeys(("OpenAI-Organization", "OpenAI-Project"), openai.Omit())
        self._client = openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=settings.base_url,
            timeout=settings.timeout_s,
            max_retries=0,
            default_headers=headers,
        )
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._serve, name="parley-api", daemon=True).start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do `work` on the loop and wait for it; whatever ends the wait early (Ctrl-C) ends the work too."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    async def send(self, body: dict[str, Any]) -> Reply | Fault:
        """One request and what came of it."""
        import openai

        try:
            # The client's own timeout begins anew with every piece of an answer; this one is for all of it.
            async with asyncio.timeout(self._settings.timeout_s):
                create = self._client.chat.completions.with_raw_response.create
                answer = await create(**body, extra_body=self._settings.extra or None)
            return read_body(self._hide(answer.text))
        except (TimeoutError, openai.APITimeoutError):
            return Fault(f"timeout: no whole answer within {self._settings.timeout_s:g} s", again=True)
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            reason = f"connection failed ({type(cause).__name__}: {cause})"
            # Without a connection nothing was asked; one that broke later may have been answered, and charged.
            return Fault(self._hide(reason), again=True, free=type(cause).__name__ == "ConnectError")
        except openai.APIStatusError as error:
            return read_error(error.status_code, error.response.headers, self._hide(error.response.text))
        except openai.OpenAIError as error:
            return Fault(self._hide(f"{type(error).__name__}: {excerpt(str(error))}"), again=True)

    def backoff(self, tried: int) -> float:
        """Seconds to wait after try number `tried`: doubling, within a half and one and a half of that."""
        wait = self._settings.backoff_s * 2.0 ** (tried - 1) * self._jitter.uniform(0.5, 1.5)
        return min(wait, self._settings.longest_wait_s)

    def warn_once(self, text: str) -> None:
        """Log a warning, the first time only."""
        if not self._warned:
            self._warned = True
            _logger.warning(text)

    def close(self) -> None:
        """Close the client and end the loop, soon."""
        if self.process == os.getpid() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._end()))

    async def _end(self) -> None:
        await self._client.close()
        self._loop.stop()

    def _hide(self, text: str) -> str:
        """`text` without the key, which some servers repeat."""
        return text.replace(self._key, "***") if self._key else text

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()
