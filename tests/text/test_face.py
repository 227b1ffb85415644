from __future__ import annotations

from typing import Any

import pytest

from marl.errors import EnvError, ScenarioError
from marl.text.face import text_face


class Bare:
    """An env without a text face."""

    @property
    def unwrapped(self) -> Bare:
        return self


class Face:
    """What an adapter looks like."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def rules(self, agent: str) -> str:
        return "Rules."

    def describe(self, agent: str, observation: Any) -> str:
        return "Seen."

    def action_names(self, agent: str) -> list[str]:
        return ["a"]

    def describe_state(self) -> str:
        return "state"


def test_missing_methods_are_named() -> None:
    with pytest.raises(EnvError, match=r"\['rules', 'describe', 'action_names', 'describe_state'\].*adapter"):
        text_face(Bare(), None)


def test_an_adapter_gives_a_third_party_env_its_face() -> None:
    env = Bare()
    face = text_face(env, f"{__name__}:Face")
    assert isinstance(face, Face)
    assert face.env is env


def test_an_adapter_that_does_not_exist_is_a_scenario_error() -> None:
    with pytest.raises(ScenarioError, match=r"env\.text: cannot import 'no_such_module'"):
        text_face(Bare(), "no_such_module:Face")
