"""The settings of a chat model behind a server that speaks the OpenAI protocol."""

from __future__ import annotations

import json
import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from marl.strict import Settings


class APISettings(Settings):
    """A chat model behind a server that speaks the OpenAI protocol; `docs/api_models.md` explains every key.

    It cannot be trained. `api_key_env` names the environment variable that holds the key; no key stands in a scenario.
    """

    kind: Literal["api"]
    model: str = Field(min_length=1)
    base_url: str = "https://api.openai.com/v1"
    api_key_env: str | None = None
    learn: bool = False
    system: str = ""
    temperature: float | None = Field(default=1.0, ge=0, description="null leaves it to the server")
    max_tokens: int = Field(default=32, ge=1, description="of a reply that picks an option; talk has its budget")
    thinking_tokens: int = Field(default=0, ge=0, description="room for hidden reasoning, beside either limit")
    token_limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    send_seed: bool = True
    logprobs: bool = False
    extra: dict[str, Any] = Field(default={}, description="further fields of each request")
    timeout_s: float = Field(default=60.0, gt=0, description="of one request, from its first byte to its last")
    retries: int = Field(default=4, ge=0)
    backoff_s: float = Field(default=0.5, gt=0, description="the first wait before a retry; each further one doubles")
    longest_wait_s: float = Field(default=60.0, gt=0)
    concurrency: int = Field(default=8, ge=1, le=256)
    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    input_price: float | None = Field(default=None, ge=0, description="of a million prompt tokens")
    output_price: float | None = Field(default=None, ge=0, description="of a million completion tokens")
    cost_limit: float | None = Field(default=None, gt=0)

    @field_validator("learn")
    @classmethod
    def _cannot_learn(cls, learn: bool) -> bool:
        if learn:
            raise ValueError("an API model cannot be trained, its weights are the server's; leave learn out")
        return learn

    @field_validator("api_key_env")
    @classmethod
    def _names_a_variable(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            # What was given may be the key itself, so it is not repeated.
            raise ValueError("give the NAME of the environment variable that holds the key, for example OPENAI_API_KEY")
        return name

    @field_validator("base_url")
    @classmethod
    def _is_a_plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
            raise ValueError("give http(s)://host[:port]/v1 without a name or a password; a key goes into api_key_env")
        return url

    @field_validator("extra")
    @classmethod
    def _adds_and_never_replaces(cls, extra: dict[str, Any]) -> dict[str, Any]:
        own = {"model", "messages", "temperature", "seed", "logprobs", "max_tokens", "max_completion_tokens"}
        taken = sorted((own | {"stream", "n"}) & set(extra))
        if taken:
            raise ValueError(f"{taken} cannot stand here; {sorted(own)} have keys of their own, or are the policy's")
        try:
            json.dumps(extra)
        except (TypeError, ValueError) as error:
            raise ValueError(f"not JSON: {error}; give texts, numbers, lists and mappings") from error
        return extra

    @model_validator(mode="after")
    def _limit_has_prices(self) -> APISettings:
        if self.cost_limit is not None and (self.input_price is None or self.output_price is None):
            raise ValueError("cost_limit needs input_price and output_price, each for a million tokens")
        return self
