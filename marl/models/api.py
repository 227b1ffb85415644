"""Chat models behind a server that speaks the OpenAI protocol: questions in, texts or reasons for none out."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from marl.errors import ModelError
from marl.models.api_answer import Fault, Reply
from marl.models.api_connection import Connection, check_setup
from marl.models.api_meter import Meter
from marl.settings import APISettings

_logger = logging.getLogger(__name__)

TEMPLATE_TOKENS = 64
"""Tokens that a server's chat template may put around the messages, in the upper bound of a prompt's tokens."""
BYTES_PER_TOKEN = 4
"""In the estimate for `tokens_per_minute`; the true number takes its place once the server has reported it."""


@dataclass(frozen=True, slots=True)
class Question:
    """One call: the user message, how many tokens the reply may have, and the seed of its draw."""

    prompt: str
    max_tokens: int
    seed: int


class ChatModel:
    """One model of one server, as `settings` describe them; `name` is the policy's, for the words of errors.

    The connection is made at the first question, anew in each process: a pickled model holds neither key nor
    connection, and its copy counts from zero, against what is left of the cost limit. Raises ModelError where the
    `openai` package or the environment variable with the key is missing.
    """

    def __init__(self, name: str, settings: APISettings) -> None:
        check_setup(name, settings)
        self.name = name
        self.settings = settings
        self.meter = Meter(name, settings)
        self._ask_log_probs = settings.logprobs
        self._connection: Connection | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "settings": self.settings, "earlier": self.meter.spent}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.name, self.settings = state["name"], state["settings"]
        self.meter = Meter(self.name, self.settings, earlier=state["earlier"])
        self._ask_log_probs = self.settings.logprobs
        self._connection = None

    def ask(self, questions: Sequence[Question]) -> list[Reply | Fault]:
        """Answers in order; at most `concurrency` requests are under way at a time.

        A question that stays without an answer gives a Fault. Raises ModelError where no further question can be
        answered: the key or the model is refused, or the cost limit is reached; requests under way are given up.
        """
        if not questions:
            return []
        if self._connection is None or self._connection.process != os.getpid():
            self._connection = Connection(self.name, self.settings)
            weakref.finalize(self, _hang_up, self._connection, self.meter)
        return self._connection.run(self._ask_all(self._connection, questions))

    async def _ask_all(self, line: Connection, questions: Sequence[Question]) -> list[Reply | Fault]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._ask(line, question)) for question in questions]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _ask(self, line: Connection, question: Question) -> Reply | Fault:
        """One question with all its tries."""
        tried, note = 0, ""
        async with line.places:
            while True:
                answer, tried = await self._try(line, question), tried + 1
                if isinstance(answer, Reply):
                    return answer
                if answer.fatal:
                    raise ModelError(self._refused(answer))
                if not answer.again or tried > self.settings.retries:
                    break
                wait = line.backoff(tried) if answer.wait is None else answer.wait
                if wait > self.settings.longest_wait_s:
                    note = f"; it asks to wait {wait:g} s, more than longest_wait_s={self.settings.longest_wait_s:g}"
                    break
                self.meter.retries += 1
                await asyncio.sleep(wait)
        self.meter.failures += 1
        return replace(answer, reason=f"{answer.reason}{note} (after {tried} {'try' if tried == 1 else 'tries'})")

    async def _try(self, line: Connection, question: Question) -> Reply | Fault:
        """One request in its turn; a server that refuses to be asked for log-probabilities is asked without them."""
        body = self._body(question)
        answer = await self._metered(line, body)
        if "logprobs" not in body:
            return answer
        refused = isinstance(answer, Fault) and answer.status in {400, 422} and "logprobs" in answer.reason
        if refused or (isinstance(answer, Reply) and not answer.log_probs):
            line.warn_once(
                f"policy {self.name!r}: {self.settings.base_url} sends no usable log-probabilities for model "
                f"{self.settings.model!r}, so its turns have none; set logprobs: false to ask for none"
            )
        if not refused:
            return answer
        self._ask_log_probs = False
        self.meter.retries += 1
        return await self._metered(line, self._body(question))

    async def _metered(self, line: Connection, body: dict[str, Any]) -> Reply | Fault:
        """One request within the limits, and on the meter."""
        limit = body[self.settings.token_limit]
        size = sum(len(message["content"].encode()) for message in body["messages"])
        admission = await line.pace.admit(size // BYTES_PER_TOKEN + limit)
        # A token has at least one byte, so no server that keeps to the token limit can charge for more.
        most = self.meter.price(size + TEMPLATE_TOKENS, limit)
        async with line.settled:
            await line.settled.wait_for(lambda: self.meter.fits(most) or not self.meter.under_way)
            self.meter.reserve(most)
        start = time.monotonic()
        answer: Reply | Fault = Fault("given up")
        try:
            answer = await line.send(body)
        finally:
            free = isinstance(answer, Fault) and answer.free
            self.meter.settle(most, time.monotonic() - start, answer.usage, free=free)
            async with line.settled:
                line.settled.notify_all()
        if answer.usage is not None:
            admission.tokens = answer.usage.prompt_tokens + answer.usage.completion_tokens
        return answer

    def _body(self, question: Question) -> dict[str, Any]:
        settings = self.settings
        system = [{"role": "system", "content": settings.system}] if settings.system else []
        body: dict[str, Any] = {
            "model": settings.model,
            "messages": [*system, {"role": "user", "content": question.prompt}],
            settings.token_limit: question.max_tokens + settings.thinking_tokens,
        }
        if settings.temperature is not None:
            body["temperature"] = settings.temperature
        if settings.send_seed:
            body["seed"] = question.seed
        if self._ask_log_probs:
            body["logprobs"] = True
        return body

    def _refused(self, fault: Fault) -> str:
        settings = self.settings
        key = f"the key in {settings.api_key_env}" if settings.api_key_env else "no key (api_key_env is not set)"
        return (
            f"policy {self.name!r}: {settings.base_url} refuses model {settings.model!r} with {key}: {fault.reason}. "
            "No further call can succeed; check model, base_url, api_key_env and the account behind them"
        )


def _hang_up(connection: Connection, meter: Meter) -> None:
    """The model is gone, or the program ends: say what its calls came to, and let go of the connection."""
    if connection.process == os.getpid():
        _logger.info(meter.summary())
        connection.close()
