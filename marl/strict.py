"""Settings that refuse what they do not know."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Settings(BaseModel):
    """Refuses unknown keys, numbers that are not finite, and true or false for a number; never changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _switches_are_no_numbers(cls, data: Any) -> Any:
        """`value_clip: true` reads as if something were switched on, and would be 1.0."""
        for name, value in data.items() if isinstance(data, dict) else ():
            if isinstance(value, bool) and name in cls.model_fields:
                kinds = set(_kinds(cls.model_fields[name].annotation))
                if kinds & {int, float} and not kinds & {bool, Any}:
                    raise ValueError(f"{name}: give a number, not {str(value).lower()}")
        return data


def _kinds(annotation: Any) -> Iterator[Any]:
    """The types that the annotation is made of."""
    if typing.get_origin(annotation) is not typing.Literal:
        yield annotation
        for part in typing.get_args(annotation):
            yield from _kinds(part)
