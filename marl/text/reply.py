"""From a free reply to one of the legal options, or to a `ParseFailure` that says why not."""

from __future__ import annotations

import re
from collections.abc import Sequence

from marl.types import ParseFailure


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().strip(".!\"'").strip().casefold()


def parse_reply(text: str, options: Sequence[str]) -> int | ParseFailure:
    """The index of the option that `text` is, up to case, white space, quotes and a final full stop.

    Nothing looser counts: a reply that merely mentions an option, or fits two, is a failure.
    """
    plain = _plain(text)
    hits = [index for index, option in enumerate(options) if _plain(option) == plain]
    if len(hits) == 1:
        return hits[0]
    if not plain:
        return ParseFailure(text, f"the reply is empty; allowed: {', '.join(options)}")
    if len(hits) > 1:
        return ParseFailure(text, f"{text!r} fits several options: {', '.join(options[hit] for hit in hits)}")
    return ParseFailure(text, f"{text!r} is not one of: {', '.join(options)}")
