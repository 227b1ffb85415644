"""One env copy at which agents sit: what each of them is asked next, and the record of what they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pettingzoo import AECEnv

from marl.channel import Intervention, TalkAECEnv, TalkParallelEnv, wrap_channel
from marl.errors import EnvError
from marl.scenario import make_env
from marl.seeding import seed_of, stream
from marl.settings import Scenario
from marl.text import act_prompt, flattener, talk_prompt, text_face
from marl.types import Decision, Episode, Message, Phase, Turn, View


def open_env(
    scenario: Scenario,
    *,
    intervention: str | Intervention | None = None,
    pool: Mapping[str, Sequence[str]] | None = None,
) -> TalkParallelEnv | TalkAECEnv:
    """Import the scenario's env, check that it is PettingZoo and fits the seats, and put the channel around it."""
    return wrap_channel(make_env(scenario), scenario.channel, intervention=intervention, pool=pool)


class Table:
    """Steps one channel-wrapped env through episodes.

    `pending()` gives the views of the agents that must decide now, `apply()` takes their decisions. An agent with a
    single legal action has nothing to decide: the action is played and no turn is recorded.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        intervention: str | Intervention | None = None,
        pool: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.scenario = scenario
        self.failed = False
        self.env: Any = open_env(scenario, intervention=intervention, pool=pool)
        self.turn_taking = isinstance(self.env, AECEnv)
        self.face = text_face(self.env, scenario.env.text)
        self.vocabulary = tuple(scenario.channel.vocabulary or ())
        self.action_names = {agent: list(self.face.action_names(agent)) for agent in self.env.possible_agents}
        self.rules = {agent: self.face.rules(agent) for agent in self.env.possible_agents}
        bare = self.env.unwrapped
        self._flat = {agent: flattener(bare.observation_space(agent)) for agent in self.env.possible_agents}

    def open_record(self, seed: int, index: int, situation: int | None = None) -> None:
        """Open the record of episode number `index`; the env, the channel and every agent get streams of their own.

        Episodes with one number for their `situation` (`index` unless given) have one env and one channel.
        """
        self.situation = index if situation is None else situation
        agents = tuple(self.env.possible_agents)
        self.failed = False
        self.episode = Episode(
            self.scenario.name, seed, index, agents, situation="", returns=dict.fromkeys(agents, 0.0)
        )
        self.streams = {agent: stream(seed, "agent", agent, index) for agent in agents}
        self.views: dict[str, View] = {}
        self.forced: dict[str, int] = {}
        self._last_turns: dict[str, Turn] = {}
        self._now: tuple[np.ndarray, str | None] | None = None

    def begin(self) -> None:
        """Reset the env for the episode whose record is open."""
        self._observations, _ = self._reset(seed_of(self.episode.seed, "episode", self.situation))
        self.episode.situation = self.face.describe_state()

    def pending(self) -> list[View]:
        """The views that wait for a decision; empty when the episode has ended. Forced moves are played on the way."""
        while self.env.agents and not self.failed:
            self.views, self.forced = {}, {}
            for agent in self._movers():
                view = self._view(agent)
                if view is not None:
                    self.views[agent] = view
            if self.views:
                return list(self.views.values())
            self._advance({})
        return []

    def apply(self, decisions: Mapping[str, Decision], on_failure: str) -> None:
        """Record one decision for each pending view and step the env."""
        for agent, decision in decisions.items():
            if decision.failure is not None and on_failure == "forfeit":
                self.fail(f"{agent} forfeits: {decision.failure.reason}")
        moves = {agent: self._record(agent, decision) for agent, decision in decisions.items()}
        if not self.failed:
            self._advance(moves)

    def fail(self, why: str) -> None:
        """Close the episode as a recorded failure."""
        self.failed = True
        self.episode.outcome = "failed"
        self.episode.error = why

    def _reset(self, seed: int) -> tuple[Any, Any]:
        if self.turn_taking:
            self.env.reset(seed=seed)
            return {}, {}
        return self.env.reset(seed=seed)

    def _movers(self) -> list[str]:
        if self.turn_taking:
            agent = self.env.agent_selection
            self._observations = {agent: self.env.observe(agent)}
            return [agent]
        return list(self.env.agents)

    def _view(self, agent: str) -> View | None:
        env, observation = self.env, self._observations[agent]["observation"]
        if self.turn_taking and (env.terminations[agent] or env.truncations[agent]):
            return None
        inbox = env.inbox(agent)
        if env.phase == "talk":
            if not env.may_speak(agent):
                return None
            prompt = talk_prompt(self.rules[agent], self.face.describe(agent, observation), inbox, self.vocabulary)
            return self._asked(agent, "talk", prompt, self.vocabulary, observation, inbox)
        return self.view_of(agent, observation, inbox)

    def view_of(self, agent: str, observation: Any, inbox: tuple[Message, ...]) -> View | None:
        """The view in which `agent` acts on `observation`; None where one action alone is legal."""
        legal = self._legal(agent, observation)
        if len(legal) == 1:
            self.forced[agent] = legal[0]
            return None
        options = tuple(self.action_names[agent][action] for action in legal)
        prompt = act_prompt(self.rules[agent], self.face.describe(agent, observation), inbox, options)
        return self._asked(agent, "act", prompt, options, observation, inbox)

    def _asked(
        self, agent: str, phase: Phase, prompt: str, options: tuple[str, ...], observation: Any, inbox: Any
    ) -> View:
        budget = self.scenario.channel.budget
        number = self.episode.index
        features = self._flat[agent](observation)
        return View(agent, phase, prompt, options, budget, observation, inbox, self.streams[agent], number, features)

    def _legal(self, agent: str, observation: Any) -> list[int]:
        mask = observation.get("action_mask") if isinstance(observation, Mapping) else None
        if mask is None:
            return list(range(len(self.action_names[agent])))
        legal: list[int] = np.asarray(mask).nonzero()[0].tolist()
        if not legal:
            raise EnvError(f"{agent} has no legal action; an env ends the agent or leaves at least one action legal")
        return legal

    def _record(self, agent: str, decision: Decision) -> tuple[int | None, str | None]:
        """Append the turn; return (action, message) for the env. A failed reply is no message, not an empty one."""
        view, env = self.views[agent], self.env
        assert view.features is not None
        state, state_text = self.see_state()
        said = env.messages
        heard = {id(message) for message in env.heard(agent)} if said else ()
        turn = Turn(
            id=len(self.episode.turns),
            agent=agent,
            policy=self.scenario.seats[agent],
            phase=view.phase,
            step=env.step_index,
            round=env.round,
            prompt=view.prompt,
            options=view.options,
            text=decision.text,
            choice=decision.choice,
            prompt_ids=decision.prompt_ids,
            token_ids=decision.token_ids,
            option_ids=decision.option_ids,
            log_probs=decision.log_probs,
            inputs=decision.inputs,
            features=view.features,
            state=state,
            heard=tuple(i for i, message in enumerate(said) if id(message) in heard) if heard else (),
            said=tuple(range(len(said))),
            failure=decision.failure,
            state_text=state_text,
        )
        self.episode.turns.append(turn)
        self._last_turns[agent] = turn
        if view.phase == "talk":
            return None, None if decision.failure else decision.text
        choice = decision.choice if decision.choice is not None and decision.failure is None else 0
        return self.action_names[agent].index(view.options[choice]), ""

    def see_state(self) -> tuple[np.ndarray, str | None]:
        """The state, [S], and its words where the critic reads them: asked for once until the env moves.

        The array is empty for an env without `state()`, which everything but a centralized critic can do without.
        """
        if self._now is None:
            try:
                state = np.array(self.env.state(), dtype=np.float32).ravel()  # a copy: an env may change its own
            except NotImplementedError:
                state = np.zeros(0, np.float32)
            text = self.face.describe_state() if self.scenario.training.critic.kind == "text" else None
            self._now = state, text
        return self._now

    def _advance(self, moves: Mapping[str, tuple[int | None, str | None]]) -> None:
        env = self.env
        if env.phase == "act":
            self._now = None
        plays = {agent: moves.get(agent, (self.forced.get(agent), "")) for agent in self._movers_now()}
        actions = {agent: {"action": action or 0, "message": text} for agent, (action, text) in plays.items()}
        if self.turn_taking:
            self._advance_aec(actions)
        else:
            self._observations, rewards, terminations, truncations, infos = env.step(actions)
            self._collect(rewards, terminations, truncations, infos)
        self.episode.messages = list(env.messages)
        self.episode.length = env.step_index

    def _movers_now(self) -> list[str]:
        return [self.env.agent_selection] if self.turn_taking else list(self.env.agents)

    def _advance_aec(self, actions: Mapping[str, Any]) -> None:
        env = self.env
        agent = env.agent_selection
        if env.terminations[agent] or env.truncations[agent]:
            env.step(None)
            return
        before = dict(env.terminations), dict(env.truncations)
        env.step(actions[agent])
        ended = {name: env.terminations.get(name, True) and not before[0].get(name, True) for name in env.agents}
        cut = {name: env.truncations.get(name, True) and not before[1].get(name, True) for name in env.agents}
        self._collect(dict(env.rewards), ended, cut, env.infos)

    def _collect(self, rewards: Any, terminations: Any, truncations: Any, infos: Any) -> None:
        """Credit each reward to the agent's latest turn, and close the turns of agents that ended."""
        last_turn = self._last_turns
        paid = self.episode.turns[-1].paid if self.episode.turns else {}
        for agent, given in rewards.items():
            reward = float(given)
            self.episode.returns[agent] += reward
            if reward:
                paid[agent] = paid.get(agent, 0.0) + reward
            if agent in last_turn:
                last_turn[agent].reward += reward
            if (terminations.get(agent) or truncations.get(agent)) and agent in last_turn:
                last_turn[agent].last = True
            if truncations.get(agent) and not terminations.get(agent):
                self.episode.outcome = "truncated"
                if agent in last_turn:
                    self._note_cut(agent, last_turn[agent])
        successes = [float(info["success"]) for info in infos.values() if "success" in info]
        if successes:
            self.episode.success = float(np.mean(successes))

    def _note_cut(self, agent: str, turn: Turn) -> None:
        """Keep what the env shows where it cuts the agent off: learning needs its value."""
        seen = self.env.observe(agent) if isinstance(self.env, AECEnv) else self._observations[agent]
        turn.next_features = self._flat[agent](seen["observation"])
        turn.next_state, turn.next_state_text = self.see_state()
