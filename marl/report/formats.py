"""Numbers as the report prints them, the same way everywhere."""

from __future__ import annotations

import math
from typing import Any

ABSENT = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def is_number(value: Any) -> bool:
    """Whether `value` is a finite int or float (a truth value is not)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 2) -> str:
    """A payoff with a fixed count of decimals and a true minus sign; a dash for what was not measured."""
    if not is_number(value):
        return ABSENT
    text = f"{value:,.{digits}f}"
    return text.replace("-", MINUS) if float(text.replace(",", "")) != 0 else text.removeprefix("-")


def signed(value: Any, digits: int = 2) -> str:
    """A difference, with its sign."""
    text = number(value, digits)
    return f"+{text}" if is_number(value) and not text.startswith(MINUS) and value > 0 else text


def short(value: Any) -> str:
    """A number without trailing zeros: 10, 9.5, 0.25; three significant digits below one."""
    if not is_number(value):
        return ABSENT
    text = f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"
    text = text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text
    return text.replace("-", MINUS)


def span(low: Any, high: Any, digits: int = 2) -> str:
    """An interval in words."""
    return f"{number(low, digits)} to {number(high, digits)}" if is_number(low) and is_number(high) else ABSENT


def percent(share: Any) -> str:
    """A share in [0, 1] as a whole percentage; what is present but rounds to nothing is "<1%"."""
    if not is_number(share):
        return ABSENT
    return "<1%" if 0 < share < 0.005 else f"{round(100 * share)}%"


def p_value(p: Any) -> str:
    """A p-value; below one in a thousand only that is said."""
    if not is_number(p):
        return ABSENT
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def count(value: Any) -> str:
    """A whole number with separators."""
    return f"{value:,.0f}" if is_number(value) else ABSENT


def duration(seconds: Any) -> str:
    """Seconds as hours, minutes and seconds, leaving out what is zero in front."""
    if not is_number(seconds):
        return ABSENT
    hours, rest = divmod(round(seconds), 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


def listing(words: list[str]) -> str:
    """Words joined as in a sentence: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
