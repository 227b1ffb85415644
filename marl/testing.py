"""The contract kit: what people who bring their own env or policy run to see that it fits.

    from marl.testing import check_env, check_policy
    check_env(lambda: my_game.parallel_env())

Both raise on the first breach, in words: what was found, what is allowed, what to do. They add to PettingZoo's own
tests (`pettingzoo.test`), and do not replace them.
"""

from __future__ import annotations

import copy
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.utils.env_checker import data_equivalence
from pettingzoo import AECEnv, ParallelEnv

from marl.errors import EnvError, PolicyError
from marl.policies.protocol import Remembers
from marl.seeding import stream
from marl.types import Decision, View

TOLERANCE = 1e-4  # between log-probabilities of one view decided in different batches


def check_env(make_env: Callable[[], Any], *, seed: int = 0, episodes: int = 3, horizon: int = 10_000) -> None:
    """Play `episodes` random episodes of the env that `make_env()` returns and check the whole contract.

    Checked: PettingZoo type and agent names; spaces (the same object each time, every observation inside, discrete
    actions, mask and space of one length); `state()`; the text face (`rules`, `describe`, `action_names`,
    `describe_state`); `reference()`; an end within `horizon` decisions; the same seed gives the same episode; no
    draw from a global generator. Whether private information stays private only the author can test.
    Raises EnvError on the first breach.
    """
    env = make_env()
    _check_kind(env)
    env.reset(seed=seed)
    for agent in env.possible_agents:
        _check_spaces(env, agent)
        _check_names(env, agent)
    _check_reference(env)
    for number in range(episodes):
        before = _global_generators()
        first = _played(env, seed + number, horizon)
        if _global_generators() != before:
            raise EnvError(
                "the env draws from a global generator (random or numpy.random); give it a Generator of its own"
            )
        for other in (env, make_env()):
            if not data_equivalence(first, _played(other, seed + number, horizon)):
                raise EnvError(
                    f"two episodes with seed {seed + number} and the same actions differ; draw everything from a "
                    "generator that reset(seed) creates, and keep nothing from the episode before"
                )


def _check_kind(env: Any) -> None:
    if not isinstance(env, ParallelEnv | AECEnv):
        raise EnvError(f"{type(env).__name__} is not a PettingZoo env; return a ParallelEnv or an AECEnv")
    agents = getattr(env, "possible_agents", None)
    if not agents or len(set(agents)) != len(agents):
        raise EnvError(f"possible_agents is {agents!r}; list every agent once")
    for agent in agents:
        if not isinstance(agent, str) or not re.fullmatch(r"[A-Za-z][A-Za-z_]*_\d+", agent):
            raise EnvError(f'an agent is called {agent!r}; use <word>_<number>, like "player_0"')
    missing = [
        name
        for name in ("rules", "describe", "action_names", "describe_state", "reference")
        if not callable(getattr(env, name, None))
    ]
    if missing:
        raise EnvError(f"{type(env).__name__} lacks {missing}; define these methods (see the docs on environments)")


def _check_spaces(env: Any, agent: str) -> None:
    for method in (env.observation_space, env.action_space):
        if method(agent) is not method(agent):
            raise EnvError(f"{method.__name__}({agent!r}) makes a new space each time; return the same object")
    if not isinstance(env.action_space(agent), spaces.Discrete) or env.action_space(agent).start != 0:
        raise EnvError(f"the action space of {agent} is {env.action_space(agent)}; use Discrete(n), from 0 to n - 1")
    space = env.observation_space(agent)
    if not isinstance(space, spaces.Dict) or {"observation", "action_mask"} - set(space.spaces):
        raise EnvError(f"the observation space of {agent} is {space}; use Dict(observation=..., action_mask=...)")
    actions = int(env.action_space(agent).n)
    if space["action_mask"].shape != (actions,):
        raise EnvError(
            f"the action mask of {agent} has shape {space['action_mask'].shape}, but there are {actions} actions; "
            f"give one entry an action: ({actions},)"
        )


def _check_line(text: Any, what: str) -> None:
    if not isinstance(text, str) or not text.strip() or text != text.strip() or not text.isprintable():
        raise EnvError(f"{what} is {text!r}; give a text on one line, without outer spaces or control characters")


def _check_names(env: Any, agent: str) -> None:
    rules = env.rules(agent)
    _check_line(rules, f"rules({agent!r})")
    if not rules.endswith((".", "!", "?")):
        raise EnvError(f"rules({agent!r}) ends with {rules[-20:]!r}; end the paragraph with a period")
    names = env.action_names(agent)
    actions = int(env.action_space(agent).n)
    if not isinstance(names, list) or len(names) != actions:
        raise EnvError(
            f"action_names({agent!r}) gives {names!r}, but the action space has {actions} actions; give as many"
        )
    for name in names:
        _check_line(name, f"an action name of {agent}")
    if len({name.casefold() for name in names}) != len(names):
        raise EnvError(f"action_names({agent!r}) gives {names!r}; names must differ by more than case")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.floating) and not isinstance(value, bool) and math.isfinite(value)


def _check_reference(env: Any) -> None:
    reference = env.reference()
    wanted = {"optimum", "no_communication", "equilibria", "source"}
    if not isinstance(reference, Mapping) or wanted - set(reference):
        raise EnvError(f"reference() gives {reference!r}; give a dict with the keys {sorted(wanted)}")
    optimum, bound = reference["optimum"], reference["no_communication"]
    if not _is_number(optimum) or not (bound is None or _is_number(bound)):
        raise EnvError(
            f"reference() has optimum={optimum!r}, no_communication={bound!r}; give numbers (the bound or None)"
        )
    if bound is not None and bound > optimum + 1e-9:
        raise EnvError(
            f"no_communication={bound} is above optimum={optimum}; the optimum is over all play, talk included"
        )
    if not isinstance(reference["source"], str) or not reference["source"].strip():
        raise EnvError("reference() has no source; say where the solution is from, or which test verifies it")
    for equilibrium in reference["equilibria"]:
        if not isinstance(equilibrium, Mapping) or {"name", "payoffs", "play"} - set(equilibrium):
            raise EnvError(f"an equilibrium is {equilibrium!r}; give a dict with name, payoffs and play")
        payoffs = equilibrium["payoffs"]
        if set(payoffs) != set(env.possible_agents) or not all(map(_is_number, payoffs.values())):
            raise EnvError(f"{equilibrium['name']!r} pays {payoffs!r}; give a number for each of {env.possible_agents}")
        if np.mean(list(payoffs.values())) > optimum + 1e-9:
            raise EnvError(f"{equilibrium['name']!r} pays {payoffs} an episode, more on average than optimum={optimum}")


def _check_state(env: Any, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    try:
        state = env.state()
    except NotImplementedError as error:
        raise EnvError(f"{type(env).__name__} has no state(); return the global state as one numeric array") from error
    if not isinstance(state, np.ndarray) or state.size == 0 or not np.isfinite(state).all():
        raise EnvError(f"state() gives {state!r}; give a non-empty numpy array of finite numbers")
    if shape is not None and state.shape != shape:
        raise EnvError(f"state() changes its shape from {shape} to {state.shape}; keep one shape for the whole episode")
    space = getattr(env, "state_space", None)
    if space is not None and not space.contains(state):
        raise EnvError(f"state() gives {state!r}, which is outside of state_space {space}; mend one of the two")
    _check_line(env.describe_state(), "describe_state()")
    return state.shape


def _check_view(env: Any, agent: str, observation: Any, *, live: bool) -> None:
    space = env.observation_space(agent)
    if not space.contains(observation):
        raise EnvError(f"{agent} observes {observation!r}, which is outside of its space {space}; mend one of the two")
    mask = np.asarray(observation["action_mask"])
    if not np.isin(mask, (0, 1)).all() or (live and not mask.any()):
        raise EnvError(f"the action mask of {agent} is {mask}; give 0 or 1 an action, and at least one 1")
    text = env.describe(agent, observation)
    _check_line(text, f"describe({agent!r}, ...)")
    if env.describe(agent, copy.deepcopy(observation)) != text:
        raise EnvError(f"describe({agent!r}, ...) gives two texts for one observation; it must depend on nothing else")


def _legal_action(observation: Any, rng: np.random.Generator) -> int:
    return int(rng.choice(np.flatnonzero(observation["action_mask"])))


def _check_rewards(rewards: Mapping[str, Any]) -> None:
    for agent, reward in rewards.items():
        if not _is_number(reward) and not (isinstance(reward, np.integer)):
            raise EnvError(f"{agent} receives {reward!r}; rewards are finite numbers")


def _check_infos(infos: Mapping[str, Any]) -> None:
    for agent, info in infos.items():
        if "success" in info and info["success"] not in (0.0, 1.0):
            raise EnvError(
                f"info[{agent!r}]['success'] is {info['success']!r}; give 0.0 or 1.0, partial success is a payoff"
            )


def _played(env: Any, seed: int, horizon: int) -> list[Any]:
    return [
        copy.deepcopy(moment) for moment in _moments(env, seed, horizon)
    ]  # copied: an env may change its arrays in place


def _moments(env: Any, seed: int, horizon: int) -> Iterator[Any]:
    """Play one random episode with checks; yield all that can be seen of it."""
    rng = stream(seed, "check_env")
    play = _parallel_moments if isinstance(env, ParallelEnv) else _aec_moments
    shape: tuple[int, ...] | None = None
    for count, moment in enumerate(play(env, seed, rng)):
        if count > horizon:
            raise EnvError(f"an episode has not ended after {horizon} decisions; truncate it")
        shape = _check_state(env, shape)
        yield env.describe_state(), env.state(), moment


def _parallel_moments(env: Any, seed: int, rng: np.random.Generator) -> Iterator[Any]:
    observations, infos = env.reset(seed=seed)
    yield observations, infos
    while env.agents:
        for agent, observation in observations.items():
            _check_view(env, agent, observation, live=agent in env.agents)
        actions = {agent: _legal_action(observations[agent], rng) for agent in env.agents}
        observations, rewards, terminations, truncations, infos = env.step(actions)
        _check_rewards(rewards)
        _check_infos(infos)
        yield observations, rewards, terminations, truncations, infos
    for agent, observation in observations.items():
        _check_view(env, agent, observation, live=False)


def _aec_moments(env: Any, seed: int, rng: np.random.Generator) -> Iterator[Any]:
    env.reset(seed=seed)
    for agent in env.agent_iter():
        observation, reward, terminated, truncated, info = env.last()
        over = terminated or truncated
        _check_view(env, agent, observation, live=not over)
        _check_rewards({agent: reward})
        _check_infos({agent: info})
        yield agent, observation, reward, terminated, truncated, info
        env.step(None if over else _legal_action(observation, rng))


def _global_generators() -> str:
    return repr((random.getstate(), np.random.get_state()))  # noqa: NPY002 - to see that nobody uses it


def sample_views(seed: int = 0) -> list[View]:
    """Views of every shape that a policy meets: a choice among actions, free text, a choice among messages."""
    asked = [
        (
            "act",
            "You see: the stag is in the north valley.\nChoose: north, south, hare\nAnswer:",
            ("north", "south", "hare"),
        ),
        ("talk", "You see: the stag is in the south valley.\nSay:", ()),
        ("talk", "You see: the color is red.\nSay one of: ba, di, gu\nSay:", ("ba", "di", "gu")),
        ("act", "You do not see the stag.\nscout_0: north\nChoose: north, hare\nAnswer:", ("north", "hare")),
    ]
    return [
        View(f"player_{seat}", phase, prompt, options, 6, {}, (), stream(seed, "check_policy", seat))  # type: ignore[arg-type]
        for seat, (phase, prompt, options) in enumerate(asked)
    ]


def check_policy(policy: Any, views: Sequence[View] | None = None) -> None:
    """Ask `policy` to decide `views` (`sample_views()` unless given) and check the whole contract.

    Checked: `name`, `trainable`, `decide`; one Decision a view; choices within the options, none for free text;
    log-probabilities finite, not positive and as many as the tokens they belong to; the same generator states give
    the same decisions, whatever the order and the size of the batch, in an episode or not; a policy that `Remembers`
    decides so again once its memory is released. Raises PolicyError on the first breach.
    """
    views = sample_views() if views is None else list(views)
    if not isinstance(getattr(policy, "name", None), str) or not isinstance(getattr(policy, "trainable", None), bool):
        raise PolicyError(f"{type(policy).__name__} needs `name` (a text) and `trainable` (True or False)")
    if not callable(getattr(policy, "decide", None)):
        raise PolicyError(f"policy {policy.name!r} has no decide(views); define it")
    first = _decided(policy, views)
    for view, decision in zip(views, first, strict=True):
        _check_decision(policy, view, decision)
    _check_same(policy, first, _decided(policy, views), "asked twice with the same generator states")
    _check_same(policy, first, _decided(policy, views[::-1])[::-1], "asked in another order")
    alone = [_decided(policy, [view])[0] for view in views]
    _check_same(policy, first, alone, "asked one view at a time")
    episode = [replace(view, episode=number) for number, view in enumerate(views)]
    for time in ("first", "second"):
        _check_same(policy, first, _decided(policy, episode), f"asked for the {time} time in an episode")
        if isinstance(policy, Remembers):
            policy.release([(number, view.agent) for number, view in enumerate(views)])
    _decided(policy, [])


def _decided(policy: Any, views: Sequence[View]) -> list[Decision]:
    decisions = policy.decide([replace(view, rng=copy.deepcopy(view.rng)) for view in views])
    if not isinstance(decisions, list) or len(decisions) != len(views):
        raise PolicyError(
            f"policy {policy.name!r} answers {len(views)} views with {decisions!r}; give a list of as many"
        )
    for decision in decisions:
        if not isinstance(decision, Decision):
            raise PolicyError(f"policy {policy.name!r} decides {decision!r}; give marl.types.Decision")
    return decisions


def _check_decision(policy: Any, view: View, decision: Decision) -> None:
    where = f"policy {policy.name!r} on the prompt {view.prompt!r}"
    if not isinstance(decision.text, str):
        raise PolicyError(f"{where} says {decision.text!r}; give a text")
    if not view.options and decision.choice is not None:
        raise PolicyError(f"{where} chooses {decision.choice} where there are no options; give choice=None")
    if view.options and decision.failure is None and decision.choice not in range(len(view.options)):
        raise PolicyError(
            f"{where} chooses {decision.choice!r}; give an index into {list(view.options)} or a ParseFailure"
        )
    if not all(_is_number(value) and value <= TOLERANCE for value in decision.log_probs):
        raise PolicyError(f"{where} has log-probabilities {decision.log_probs}; give finite numbers of at most 0")
    tokens = 1 if view.options else len(decision.token_ids)
    # A server may tell the log-probabilities of a message and not its tokens: then there is nothing to count against.
    known = view.options or decision.token_ids or policy.trainable
    given = known and (decision.log_probs or policy.trainable)
    if given and decision.failure is None and len(decision.log_probs) != tokens:
        raise PolicyError(
            f"{where} has {len(decision.log_probs)} log-probabilities; give {tokens}, one a sampled token"
        )
    if policy.trainable and not decision.prompt_ids and decision.inputs is None:
        raise PolicyError(f"{where} keeps neither prompt_ids nor inputs; a trainable policy records what it read")


def _check_same(policy: Any, first: Sequence[Decision], other: Sequence[Decision], how: str) -> None:
    for one, two in zip(first, other, strict=True):
        same = (one.text, one.choice, one.token_ids) == (two.text, two.choice, two.token_ids)
        if not same or not np.allclose(one.log_probs, two.log_probs, rtol=0, atol=TOLERANCE):
            raise PolicyError(
                f"policy {policy.name!r} decides {one} and, {how}, {two}; let a decision depend on its own view and "
                "draw from view.rng only"
            )
