"""A person at the keyboard as a policy."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from marl.errors import ScenarioError
from marl.text import parse_reply
from marl.types import Decision, ParseFailure, View


class HumanPolicy:
    """Shows each view's prompt on `output` and reads the answer from `source` (stdout and stdin by default).

    Among options it takes a number or the option's text, and asks again until it gets one. In free talk it takes one
    line of at most `budget` words; an empty line says nothing.
    """

    trainable = False

    def __init__(self, name: str, source: TextIO | None = None, output: TextIO | None = None) -> None:
        self.name = name
        self._source = source
        self._output = output

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """One decision for each view; see `Policy.decide`. Raises ScenarioError where the input ends."""
        return [self._choose(view) if view.options else self._say(view) for view in views]

    def _choose(self, view: View) -> Decision:
        self._show(f"\n[{view.agent}]\n{view.prompt}")
        for number, option in enumerate(view.options, start=1):
            self._show(f"  {number}. {option}")
        while True:
            answer = self._ask(f"{view.agent}, a number or a text: ")
            if answer not in view.options and answer.isdecimal() and 1 <= int(answer) <= len(view.options):
                choice: int | ParseFailure = int(answer) - 1
            else:
                choice = parse_reply(answer, view.options)
            if not isinstance(choice, ParseFailure):
                return Decision(text=view.options[choice], choice=choice)
            self._show(f"  {choice.reason}, or a number from 1 to {len(view.options)}")

    def _say(self, view: View) -> Decision:
        self._show(f"\n[{view.agent}]\n{view.prompt}")
        while True:
            words = self._ask(f"{view.agent}, at most {view.budget} words (empty: say nothing): ").split()
            if len(words) <= view.budget:
                return Decision(text=" ".join(words))
            self._show(f"  that was {len(words)} words; at most {view.budget} are allowed")

    def _show(self, text: str) -> None:
        print(text, file=self._output or sys.stdout, flush=True)

    def _ask(self, question: str) -> str:
        print(question, end="", file=self._output or sys.stdout, flush=True)
        line = (self._source or sys.stdin).readline()
        if not line:
            raise ScenarioError(
                f"the input ended while the human policy {self.name!r} was asked; run in a terminal, or seat "
                "another policy"
            )
        return line.strip()
