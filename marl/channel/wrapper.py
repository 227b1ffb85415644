"""PettingZoo envs with a channel around them: each decision is some rounds of talk, then the act.

The action space becomes `Dict(action=<the env's>, message=MessageSpace)`; in the talk phase only the message counts,
in the act phase only the action, and what does not count may be left out. The observation space becomes
`Dict(observation=<the env's>, phase=Discrete(2), inbox=Sequence(Dict(sender, round, text)))`, phase 0 for talk and
1 for act, `sender` as an index into `possible_agents`. The env's action mask, if it has one, stays in its
observation and is also given as `info["action_mask"]` in the shape that the wrapped space's `sample` takes.
`reset(seed)` seeds the env and the channel from the streams "env" and "channel" of that seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gymnasium import spaces
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils import BaseParallelWrapper, BaseWrapper

from marl.channel.conversation import Conversation, talk_mask
from marl.channel.interventions import Intervention
from marl.errors import ChannelError
from marl.seeding import seed_of
from marl.settings import ChannelSettings
from marl.types import Message, Phase


class _Talking:
    """What both wrappers show of their conversation; everything else passes through to the env."""

    env: Any
    agents: list[str]
    conversation: Conversation

    @property
    def phase(self) -> Phase:
        """ "talk" or "act": what the next step is."""
        return self.conversation.phase

    @property
    def round(self) -> int:
        """How many talk rounds of the current decision are over."""
        return self.conversation.round

    @property
    def step_index(self) -> int:
        """How many decisions of the env are over."""
        return self.conversation.step_index

    @property
    def messages(self) -> list[Message]:
        """All messages of the episode, as delivered."""
        return self.conversation.delivery.messages

    @property
    def budget(self) -> int:
        """Tokens that one message may hold; the model keeps to it."""
        return self.conversation.budget

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The only texts that may be sent, or nothing for free text."""
        return self.conversation.vocabulary

    @property
    def talk_rounds(self) -> int:
        """Talk rounds before a decision; 0 with the channel off."""
        return self.conversation.talk_rounds

    @property
    def unwrapped_env(self) -> Any:
        """The env inside."""
        return self.env

    def may_speak(self, agent: str) -> bool:
        """Whether the agent is live and a live agent would hear it; nobody else is asked in the talk phase."""
        return self.conversation.may_speak(agent, self.agents)

    def heard(self, agent: str) -> tuple[Message, ...]:
        """The messages of the agent's current decision: the very objects in `messages`, its own included."""
        return self.conversation.delivery.heard(agent)

    def inbox(self, agent: str) -> tuple[Message, ...]:
        """The same as the agent reads them: its own words as it sent them, under any intervention."""
        return self.conversation.delivery.inbox(agent)

    def observation_space(self, agent: str) -> spaces.Dict:
        """Dict of the env's `observation`, `phase` and `inbox`."""
        return self.conversation.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Dict:
        """Dict of the env's `action` and `message`."""
        return self.conversation.action_spaces[agent]

    def describe(self, agent: str, observation: Any) -> str:
        """The env's words for an observation, which may be the wrapped one or the env's own."""
        wrapped = isinstance(observation, Mapping) and {"observation", "phase", "inbox"} == set(observation)
        return self.env.describe(agent, observation["observation"] if wrapped else observation)


class TalkParallelEnv(_Talking, BaseParallelWrapper):
    """A ParallelEnv with a channel. All agents speak at once; a round is heard when it is over."""

    def __init__(self, env: ParallelEnv, **channel: Any) -> None:
        """`channel` takes the arguments of `Conversation`. Raises ChannelError where they do not fit the env."""
        super().__init__(env)
        self.conversation = Conversation(env, **channel)
        self.observation_spaces = self.conversation.observation_spaces
        self.action_spaces = self.conversation.action_spaces

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        """Reset env and channel; observations and infos of the first phase."""
        self._inner, infos = self.env.reset(seed=None if seed is None else seed_of(seed, "env"), options=options)
        self.conversation.reset(seed)
        self._begin_decision()
        return self._observed(), self._masked(infos)

    def step(self, actions: Mapping[str, Any]) -> tuple[dict, dict, dict, dict, dict]:
        """One talk round (no rewards, nobody ends, the env stands still) or one step of the env."""
        if self.phase == "talk":
            return self._talk(actions)
        moves = {agent: self.conversation.act(agent, action) for agent, action in actions.items()}
        self._inner, rewards, terminations, truncations, infos = self.env.step(moves)
        self.conversation.step_index += 1
        for agent in self.conversation.agents:
            self.conversation.delivery.end_decision(agent)
        self._begin_decision()
        return self._observed(), rewards, terminations, truncations, self._masked(infos)

    def _talk(self, actions: Mapping[str, Any]) -> tuple[dict, dict, dict, dict, dict]:
        live = list(self.agents)
        for agent in live:
            self.conversation.post(agent, actions.get(agent, {}), asked=self.may_speak(agent))
        self.conversation.close_round(live)
        rewards, ended, cut = dict.fromkeys(live, 0.0), dict.fromkeys(live, False), dict.fromkeys(live, False)
        self._inner = {agent: self._inner[agent] for agent in live}
        return self._observed(), rewards, ended, cut, self._masked({agent: {} for agent in live})

    def _begin_decision(self) -> None:
        self.conversation.begin_decision(self.talk_rounds > 0 and any(self.may_speak(agent) for agent in self.agents))

    def _observed(self) -> dict[str, Any]:
        return {agent: self.conversation.observation(agent, inner, self.phase) for agent, inner in self._inner.items()}

    def _masked(self, infos: Mapping[str, dict]) -> dict[str, dict]:
        return {agent: talk_mask(self._inner.get(agent), info) for agent, info in infos.items()}


class TalkAECEnv(_Talking, BaseWrapper):
    """An AECEnv with a channel. The selected agent speaks `talk_rounds` times and then acts.

    What it says is heard at once: whoever is selected next may answer it. An agent's inbox holds what it has heard
    since its own last act.
    """

    def __init__(self, env: AECEnv, **channel: Any) -> None:
        """`channel` takes the arguments of `Conversation`. Raises ChannelError where they do not fit the env."""
        super().__init__(env)
        self.conversation = Conversation(env, **channel)
        self.observation_spaces = self.conversation.observation_spaces
        self.action_spaces = self.conversation.action_spaces

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Reset env and channel."""
        self.env.reset(seed=None if seed is None else seed_of(seed, "env"), options=options)
        self.conversation.reset(seed)
        self._follow()

    def observe(self, agent: str) -> dict[str, Any]:
        """The wrapped observation; who is not selected sees the phase that its next turn would begin with."""
        if agent == self.agent_selection:
            phase = self.phase
        else:
            phase = "talk" if self.talk_rounds and self.may_speak(agent) else "act"
        return self.conversation.observation(agent, self.env.observe(agent), phase)

    def step(self, action: Any) -> None:
        """The selected agent's message (nothing else changes) or its action; None for an agent that has ended."""
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self.env.step(action)
            self._follow()
        elif self.phase == "talk":
            self.conversation.post(agent, action, asked=True)
            self.conversation.close_round(self._live())
            self.rewards = dict.fromkeys(self.agents, 0.0)
            self._cumulative_rewards[agent] = 0.0
        else:
            self.env.step(self.conversation.act(agent, action))
            self.conversation.step_index += 1
            self.conversation.delivery.end_decision(agent)
            self._follow()

    def may_speak(self, agent: str) -> bool:
        """Whether the agent is live and a live agent would hear it; nobody else is asked in the talk phase."""
        return self.conversation.may_speak(agent, self._live())

    def _live(self) -> list[str]:
        return [agent for agent in self.agents if not (self.terminations[agent] or self.truncations[agent])]

    def _follow(self) -> None:
        """Take over the env's bookkeeping after it moved, and begin the selected agent's turn."""
        self.rewards = dict(self.env.rewards)
        self._cumulative_rewards: dict[str, float] = dict(self.env._cumulative_rewards)
        self.infos = {agent: dict(info) for agent, info in self.env.infos.items()}
        selected = self.agent_selection
        if selected in self.infos:
            self.infos[selected] = talk_mask(self.env.observe(selected), self.infos[selected])
        self.conversation.begin_decision(bool(self.agents) and self.may_speak(selected))


def wrap_channel(
    env: ParallelEnv | AECEnv,
    settings: ChannelSettings,
    *,
    intervention: str | Intervention | None = None,
    pool: Mapping[str, Sequence[str]] | None = None,
) -> TalkParallelEnv | TalkAECEnv:
    """Put the channel that `settings` describes around `env`.

    `intervention`, a name or an object, takes the place of the settings' own; `pool` ({sender: [texts]}) is what
    scrambled messages are drawn from. Raises ChannelError where the channel does not fit the env.
    """
    channel = {
        "topology": settings.topology,
        "talk_rounds": settings.talk_rounds,
        "budget": settings.budget,
        "vocabulary": settings.vocabulary,
        "intervention": intervention or settings.intervention,
        "pool": pool,
    }
    if isinstance(env, AECEnv):
        return TalkAECEnv(env, **channel)
    if isinstance(env, ParallelEnv):
        return TalkParallelEnv(env, **channel)
    raise ChannelError(f"{type(env).__name__} is not a PettingZoo env; give a ParallelEnv or an AECEnv")
