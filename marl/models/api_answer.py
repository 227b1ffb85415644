"""What a server sends back, read into a reply or into a fault that says what is wrong and whether to try again."""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from marl.models.api_meter import Usage

EXCERPT = 200  # characters of a server's own words in a reason
REPEATABLE = {408, 409, 425, 429}
FATAL = {401, 402, 403, 404}


@dataclass(frozen=True, slots=True)
class Reply:
    """The text that the model wrote, and what it took. Either part that the server does not send is empty or None.

    `log_probs` has one number a token.
    """

    text: str
    log_probs: tuple[float, ...]
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class Fault:
    """A request without a reply. `again` says that another try may help, `wait` how long the server asks to wait for.

    `fatal` faults will be the same for every request. `free` ones cost nothing; of others `usage` tells the cost.
    """

    reason: str
    again: bool = False
    fatal: bool = False
    free: bool = False
    wait: float | None = None
    usage: Usage | None = None
    status: int | None = None


class _Details(BaseModel):
    reasoning_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    completion_tokens_details: _Details | None = None


class _Token(BaseModel):
    logprob: float


class _LogProbs(BaseModel):
    content: list[_Token]


class _Part(BaseModel):
    type: str
    text: str | None = None


class _Message(BaseModel):
    content: str | list[_Part] | None = None
    refusal: str | None = None

    @property
    def text(self) -> str:
        """The content; where a server sends it in parts, those of type text, so that its thinking is left out."""
        if isinstance(self.content, list):
            return "".join(part.text or "" for part in self.content if part.type == "text")
        return self.content or ""


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: Any = None


class _Body(BaseModel):
    choices: list[_Choice]
    usage: Any = None


def read_body(text: str) -> Reply | Fault:
    """The reply in the body of an answer with status 200, or what is wrong with it."""
    try:
        body = _Body.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        fault = f"{place}: {first['msg']}" if place else first["msg"]
        return Fault(f"unparsable body ({fault}): {excerpt(text)}", again=True)
    usage = _usage(body.usage)
    if not body.choices:
        return Fault("empty choices: the answer holds no reply", again=True, usage=usage)
    choice = body.choices[0]
    if not choice.message.text.strip():
        # Another try would be another draw, and is the scenario's to ask for.
        return Fault(_why_empty(choice), usage=usage)
    return Reply(choice.message.text, _log_probs(choice.logprobs), usage)


def read_error(status: int, headers: Mapping[str, str], text: str) -> Fault:
    """What an answer with another status than 200 means."""
    reason = f"HTTP {status}: {excerpt(text)}"
    fatal = status in FATAL or (status == 429 and "insufficient_quota" in text)
    again = not fatal and (status in REPEATABLE or status >= 500)
    return Fault(reason, again=again, fatal=fatal, free=True, wait=retry_after(headers), status=status)


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after` (seconds or an HTTP date); None where neither says."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    if date is None:
        return None
    return max(0.0, email.utils.mktime_tz(date) - (time.time() if now is None else now))


def excerpt(text: str) -> str:
    """The beginning of a server's words, on one line."""
    line = " ".join(text.split())
    return repr(line if len(line) <= EXCERPT else line[:EXCERPT] + "...")


def _usage(reported: Any) -> Usage | None:
    """None where the server does not say, or not so that it can be read: the reply is good all the same."""
    try:
        usage = _Usage.model_validate(reported)
    except ValidationError:
        return None
    details = usage.completion_tokens_details
    hidden = (details.reasoning_tokens or 0) if details is not None else 0
    return Usage(usage.prompt_tokens, usage.completion_tokens, hidden)


def _why_empty(choice: _Choice) -> str:
    if choice.message.refusal:
        return f"the model refused: {excerpt(choice.message.refusal)}"
    why = f"empty content (finish_reason: {choice.finish_reason})"
    if choice.finish_reason == "length":
        why += "; a model that thinks before it writes needs room: set thinking_tokens, or turn thinking off in extra"
    return why


def _log_probs(reported: Any) -> tuple[float, ...]:
    try:
        values = [token.logprob for token in _LogProbs.model_validate(reported).content]
    except ValidationError:
        return ()
    # Some servers write -inf for a token outside of their list; no numbers at all are better than a false one.
    return tuple(min(value, 0.0) for value in values) if all(map(math.isfinite, values)) else ()
