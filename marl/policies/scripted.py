"""Policies that are a function from a view to a text, and the functions that come with the package.

A function takes a view, and keyword arguments that the scenario's `kwargs` bind. Every public function of this module
is a strategy; adding one here is all that it takes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from marl.errors import ScenarioError
from marl.text import parse_reply
from marl.types import Decision, ParseFailure, View

Script = Callable[..., str]


class ScriptedPolicy:
    """Answers with `function(view, **kwargs)`.

    Where the view has options the text must be one of them, up to case and white space; otherwise the decision records
    a `ParseFailure`. Raises ScenarioError where `function` does not take `kwargs` or returns something else than text.
    """

    trainable = False

    def __init__(self, name: str, function: Script, **kwargs: Any) -> None:
        self.name = name
        self.function = function
        self.kwargs = kwargs
        try:
            inspect.signature(function).bind(None, **kwargs)
        except TypeError as error:
            raise ScenarioError(
                f"policy {name!r}: {_title(function)}{inspect.signature(function)} cannot be called with a view and "
                f"{kwargs} ({error}); change its kwargs"
            ) from error

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """One decision for each view; see `Policy.decide`."""
        return [self._decide(view) for view in views]

    def _decide(self, view: View) -> Decision:
        text = self.function(view, **self.kwargs)
        if not isinstance(text, str):
            raise ScenarioError(f"policy {self.name!r}: {_title(self.function)} returned {text!r}; return a text")
        if not view.options:
            return Decision(text=" ".join(text.split()))
        choice = parse_reply(text, view.options)
        if isinstance(choice, ParseFailure):
            return Decision(text=text, failure=choice)
        return Decision(text=view.options[choice], choice=choice)


def random(view: View) -> str:
    """A legal text, all equally likely; nothing in free talk."""
    return view.options[int(view.rng.integers(len(view.options)))] if view.options else ""


def constant(view: View, option: str) -> str:
    """Always `option`, where there are options; nothing in free talk."""
    return option if view.options else ""


def silent(view: View) -> str:
    """Says nothing in free talk; plays like `random` where it must pick one of several texts."""
    return random(view)


def tell(view: View, fallback: str | None = None) -> str:
    """Says what it privately sees, and acts on it.

    Among options it picks the one that its description names, else `fallback`, else a random one.
    """
    description = _description(view)
    if view.options:
        return _named(description, view.options) or _fall_back(view, fallback)
    content = description.partition(": ")[2] or description
    return " ".join(content.rstrip(".").split()[: view.budget])


def follow(view: View, fallback: str | None = None) -> str:
    """Says nothing, and does what the latest heard message of another agent names.

    Among options without such a message it picks `fallback`, else a random one.
    """
    if not view.options:
        return ""
    heard = [message.text for message in view.inbox if message.sender != view.agent]
    for text in reversed(heard):
        option = _named(text, view.options)
        if option is not None:
            return option
    return _fall_back(view, fallback)


def tell_and_follow(view: View, fallback: str | None = None) -> str:
    """Tells what it sees; acts on its own description where that names an option, else follows what it heard."""
    if not view.options or _named(_description(view), view.options):
        return tell(view, fallback)
    return follow(view, fallback)


def _title(function: Script) -> str:
    return getattr(function, "__name__", repr(function))


def _fall_back(view: View, fallback: str | None) -> str:
    return random(view) if fallback is None else fallback


def _description(view: View) -> str:
    """The private description in the view's prompt: rules, description, heard messages and question, a line each."""
    lines = view.prompt.split("\n")
    question = 2 if view.options else 1
    above = lines[: len(lines) - question - len(view.inbox)]
    return " ".join(above[1:])


def _named(text: str, options: Sequence[str]) -> str | None:
    """The option that `text` names as a whole word, the last one where it names several; None where it names none."""
    best: tuple[int, int] = (0, 0)
    found = None
    for option in options:
        for match in re.finditer(rf"(?<!\w){re.escape(option)}(?!\w)", text, re.IGNORECASE):
            if (match.end(), len(option)) > best:
                best, found = (match.end(), len(option)), option
    return found
