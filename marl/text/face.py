"""The text face of an environment: four methods that put its rules, views, actions and state in words."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from marl.errors import EnvError
from marl.scenario import load_attribute

METHODS = ("rules", "describe", "action_names", "describe_state")


@runtime_checkable
class TextFace(Protocol):
    """What an env, or an adapter around one, says in words."""

    def rules(self, agent: str) -> str:
        """The game's rules as this agent should know them: one paragraph without line breaks."""
        ...

    def describe(self, agent: str, observation: Any) -> str:
        """The agent's private observation in words, without line breaks."""
        ...

    def action_names(self, agent: str) -> list[str]:
        """One name for each action; the index is the action."""
        ...

    def describe_state(self) -> str:
        """The global state in words; for the critic and for reports only."""
        ...


def text_face(env: Any, adapter: str | None) -> TextFace:
    """The env's own text face, or `adapter` ("module:attribute", called with the env) for envs that have none.

    Raises EnvError naming the methods that are missing.
    """
    bare = env.unwrapped
    face = load_attribute(adapter, "env.text")(bare) if adapter else bare
    missing = [name for name in METHODS if not callable(getattr(face, name, None))]
    if missing:
        raise EnvError(
            f"{type(face).__name__} lacks the text face methods {missing}; define {list(METHODS)} on the env, "
            'or name an adapter in the scenario: `env: {text: "module:attribute"}` that is called with the env'
        )
    return face
