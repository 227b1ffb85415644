"""Sentences whose every number is looked up where a reader can look it up too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marl.errors import ParleyError


def resolve(data: Any, pointer: str) -> Any:
    """The value at a JSON Pointer (RFC 6901), for example "/arms/normal/mean"; raises ParleyError where none is."""
    value = data
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise ParleyError(f"nothing at {pointer!r}: {key!r} is not there ({type(error).__name__})") from error
    return value


def pointer(*parts: str | int) -> str:
    """The JSON Pointer through `parts`, with "~" and "/" inside a part escaped."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def sentence(data: Mapping[str, Any], template: str, words: Mapping[str, str], **numbers: str) -> dict[str, Any]:
    """{"text", "numbers"}: `template` filled with `words` and with the numbers at the JSON Pointers `numbers`.

    A number is shown as `{name}` (whole, or two decimals), `{name:p}` (a p-value, four decimals) or `{name:%}`
    (three digits). The
    result's `numbers` maps each pointer to the unrounded value, so the text can be recomputed from the file.
    """
    values = {name: resolve(data, where) for name, where in numbers.items()}
    shown = {name: _Shown(value) for name, value in values.items()}
    return {
        "text": template.format(**words, **shown),
        "numbers": {where: values[name] for name, where in numbers.items()},
    }


class _Shown:
    def __init__(self, value: float) -> None:
        self.value = value

    def __format__(self, style: str) -> str:
        if style == "%":
            return f"{100 * self.value:.3g}%"
        if style == "p":
            return f"{self.value:.4f}"
        if isinstance(self.value, int):
            return str(self.value)
        return "0.00" if abs(self.value) < 0.005 else f"{self.value:.2f}"
