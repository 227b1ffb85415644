"""The state of talking around one env: phases, rounds, legal messages. Shared by the parallel and the AEC wrapper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from marl.channel.delivery import Delivery
from marl.channel.interventions import Intervention
from marl.channel.interventions import intervention as named_intervention
from marl.channel.message_space import MessageSpace
from marl.channel.topology import topology as named_topology
from marl.errors import ChannelError
from marl.seeding import stream
from marl.types import Phase

CHARACTERS_PER_TOKEN = 64  # generous: a text of `budget` tokens is never refused for its length
PHASES: dict[Phase, np.int64] = {"talk": np.int64(0), "act": np.int64(1)}


class Conversation:
    """One channel and where its talk stands.

    The token `budget` is counted where tokens are known, in the model; here it is kept as a fact about the channel,
    and a message is limited to `max_characters` (64 for each token of the budget unless given). Nothing is ever cut:
    a message that is too long, or not in the vocabulary, raises ChannelError.
    """

    def __init__(
        self,
        env: Any,
        *,
        topology: Any = "broadcast",
        talk_rounds: int = 1,
        budget: int = 8,
        vocabulary: Sequence[str] | None = None,
        intervention: str | Intervention = "none",
        pool: Mapping[str, Sequence[str]] | None = None,
        max_characters: int | None = None,
    ) -> None:
        if talk_rounds < 0 or budget < 1:
            raise ChannelError(f"talk_rounds={talk_rounds}, budget={budget}; give talk_rounds >= 0 and budget >= 1")
        if not getattr(env, "possible_agents", None):
            raise ChannelError(f"{env} has no possible_agents; a channel needs to know all agents that can ever speak")
        self.agents = tuple(env.possible_agents)
        self.budget = budget
        self.vocabulary = tuple(vocabulary or ())
        graph = named_topology(topology, self.agents)
        senders = [agent for agent in self.agents if graph.out_degree(agent)]
        self._characters = CHARACTERS_PER_TOKEN * budget if max_characters is None else max_characters
        self.text = self._new_text_space()
        self._check_pool(pool)
        self.delivery = Delivery(graph, named_intervention(intervention, senders=senders, pool=pool))
        self.talk_rounds = talk_rounds if self.delivery.intervention.talks else 0
        self._make_spaces(env, senders, talk_rounds)
        self.phase: Phase = "act"
        self.round = 0
        self.step_index = 0

    def _new_text_space(self) -> MessageSpace:
        return MessageSpace(self._characters, self.agents, self.vocabulary or None)

    def _check_pool(self, pool: Mapping[str, Sequence[str]] | None) -> None:
        for sender, texts in (pool or {}).items():
            bad = next((text for text in sorted(set(texts)) if not self.text.contains(text)), None)
            if bad is not None or sender not in self.agents:
                raise ChannelError(
                    f"the pool holds {bad!r} of {sender!r}, which this channel cannot carry; give messages of "
                    f"{list(self.agents)} as this channel delivered them in other episodes"
                )

    def _make_spaces(self, env: Any, senders: Sequence[str], talk_rounds: int) -> None:
        heard = spaces.Dict(
            sender=spaces.Discrete(len(self.agents)), round=spaces.Discrete(max(talk_rounds, 1)), text=self.text
        )
        mute = MessageSpace(0, self.agents)
        self.action_spaces = {
            agent: spaces.Dict(
                action=env.action_space(agent), message=self._new_text_space() if agent in senders else mute
            )
            for agent in self.agents
        }
        self.observation_spaces = {
            agent: spaces.Dict(
                observation=env.observation_space(agent), phase=spaces.Discrete(2), inbox=spaces.Sequence(heard)
            )
            for agent in self.agents
        }

    def reset(self, seed: int | None) -> None:
        """Forget the last episode. `seed` gives the channel its own stream; without one it draws on."""
        self.delivery.reset(self.delivery.rng if seed is None else stream(seed, "channel"))
        self.step_index = 0

    def may_speak(self, agent: str, present: Iterable[str]) -> bool:
        """Whether the agent is present and somebody else who is would hear it."""
        there = tuple(present)
        return agent in there and bool(self.delivery.hearers(agent, there))

    def begin_decision(self, speakers: bool) -> None:
        """Enter the talk phase if the channel has one and somebody speaks, else the act phase."""
        self.round = 0
        self.phase = "talk" if speakers and self.talk_rounds else "act"

    def post(self, agent: str, action: Any, *, asked: bool) -> None:
        """Take the agent's message for this round out of its action; a missing one is silence, an empty text.

        Silence of an agent that was `asked` is a message like any other (what it tells can be measured and
        scrambled); of others it is nothing. None is no message at all: the agent's try to speak failed, and nobody
        hears anything in its place. The text is cleaned (`MessageSpace.clean`). Raises ChannelError where the
        message is no text or does not belong to the channel.
        """
        raw = action.get("message", "") if isinstance(action, Mapping) else None
        if raw is None and isinstance(action, Mapping):
            return
        if not isinstance(raw, str):
            raise ChannelError(f"{agent} talks with {action!r}; give a dict with a text under 'message'")
        text = self.text.clean(raw)
        if text and not self.delivery.graph.out_degree(agent):
            raise ChannelError(
                f"{agent} says {text!r}, but nobody hears {agent} in this topology; say nothing (an empty text)"
            )
        if text and self.vocabulary and text not in self.vocabulary:
            raise ChannelError(f"{agent} says {text!r}; the channel carries only {list(self.vocabulary)}")
        if len(text) > self.text.max_length:
            raise ChannelError(
                f"{agent} says {len(text)} characters; at most {self.text.max_length} fit; "
                "say less or give the channel a larger budget"
            )
        if asked or text:
            self.delivery.post(agent, text)

    def close_round(self, present: Iterable[str]) -> None:
        """Deliver the round; after the last one the act phase begins."""
        self.delivery.close_round(self.step_index, self.round, present)
        self.round += 1
        if self.round == self.talk_rounds:
            self.phase = "act"

    def act(self, agent: str, action: Any) -> Any:
        """The env's action out of the agent's. Raises ChannelError where there is none."""
        if not isinstance(action, Mapping) or "action" not in action:
            raise ChannelError(f"{agent} acts with {action!r}; give a dict with the env's action under 'action'")
        return action["action"]

    def observation(self, agent: str, inner: Any, phase: Phase) -> dict[str, Any]:
        """The wrapped observation: the env's own, the phase (0 talk, 1 act) and the inbox."""
        inbox = tuple(
            {"sender": self.agents.index(message.sender), "round": message.round, "text": message.text}
            for message in self.delivery.inbox(agent)
        )
        return {"observation": inner, "phase": PHASES[phase], "inbox": inbox}


def talk_mask(observation: Any, info: Mapping[str, Any]) -> dict[str, Any]:
    """`info`, with the env's action mask (from its observation or info) as gymnasium's mask for the wrapped space."""
    inner = observation if isinstance(observation, Mapping) and "action_mask" in observation else info
    if inner.get("action_mask") is None:
        return dict(info)
    return {**info, "action_mask": {"action": inner["action_mask"], "message": None}}
