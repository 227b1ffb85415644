from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces
from pettingzoo.utils.conversions import parallel_to_aec_wrapper

from envs import stag_hunt
from envs.scout_hunt import ScoutHunt
from marl.errors import EnvError, PolicyError
from marl.testing import check_env, check_policy, sample_views
from marl.types import Decision, ParseFailure


class Faced(parallel_to_aec_wrapper):
    """PettingZoo's own conversion to AEC, which hides the text face; this shows it again."""

    def __getattr__(self, name):
        return getattr(self.env, name)


def test_a_turn_based_env_passes():
    check_env(lambda: Faced(stag_hunt.parallel_env(rounds=3)))


class NewSpaces(ScoutHunt):
    def action_space(self, agent):
        return spaces.Discrete(5)


class ContinuousActions(ScoutHunt):
    def __init__(self):
        super().__init__()
        self.action_spaces = dict.fromkeys(self.possible_agents, spaces.Box(0, 1, (2,)))


class NoMask(ScoutHunt):
    def __init__(self):
        super().__init__()
        self.observation_spaces = {agent: space["observation"] for agent, space in self.observation_spaces.items()}


class ShortMask(ScoutHunt):
    def __init__(self):
        super().__init__()
        for space in self.observation_spaces.values():
            space.spaces["action_mask"] = spaces.MultiBinary(4)


class OutOfSpace(ScoutHunt):
    def _observations(self):
        return {
            agent: {**view, "observation": view["observation"] * 2} for agent, view in super()._observations().items()
        }


class NothingLegal(ScoutHunt):
    def _observations(self):
        return {
            agent: {**view, "action_mask": view["action_mask"] * 0} for agent, view in super()._observations().items()
        }


class TooFewNames(ScoutHunt):
    def action_names(self, agent):
        return list(self.valleys)


class SameNames(ScoutHunt):
    def action_names(self, agent):
        return ["North", *self.valleys]


class TwoLineRules(ScoutHunt):
    def rules(self, agent):
        return "Hunt.\nOr not."


class RulesWithoutPeriod(ScoutHunt):
    def rules(self, agent):
        return "Hunt"


class MoodyWords(ScoutHunt):
    count = 0

    def describe(self, agent, observation):
        self.count += 1
        return f"This is word {self.count}."


class NoState(ScoutHunt):
    def state(self):
        raise NotImplementedError


class StateOutsideItsSpace(ScoutHunt):
    def state(self):
        return super().state() - 1


class StateOfChangingShape(ScoutHunt):
    def state(self):
        self.state_space = spaces.Box(0, 1, (len(self.agents) + 1,))
        return np.zeros(len(self.agents) + 1, np.float32)


class NoWordsForTheState(ScoutHunt):
    describe_state = None


class NoOptimum(ScoutHunt):
    def reference(self):
        return {key: value for key, value in super().reference().items() if key != "optimum"}


class BoundAboveOptimum(ScoutHunt):
    def reference(self):
        return {**super().reference(), "no_communication": 11.0}


class EquilibriumAboveOptimum(ScoutHunt):
    def reference(self):
        return {**super().reference(), "optimum": 9.0}


class EquilibriumOfOthers(ScoutHunt):
    def reference(self):
        return {**super().reference(), "equilibria": [{"name": "x", "payoffs": {"scout_0": 1.0}, "play": "y"}]}


class NoSource(ScoutHunt):
    def reference(self):
        return {**super().reference(), "source": ""}


class IgnoresTheSeed(ScoutHunt):
    def reset(self, seed=None, options=None):
        return super().reset(None, options)


class RemembersTheLastEpisode(ScoutHunt):
    def reset(self, seed=None, options=None):
        first = not hasattr(self, "played")
        self.played = True
        return super().reset(seed if first else 1 if seed is None else seed + 1, options)


class GlobalGenerator(ScoutHunt):
    def reset(self, seed=None, options=None):
        np.random.rand()  # noqa: NPY002 - the fault under test
        return super().reset(seed, options)


class NaNReward(ScoutHunt):
    def step(self, actions):
        observations, rewards, *rest = super().step(actions)
        return observations, dict.fromkeys(rewards, float("nan")), *rest


class PartialSuccess(ScoutHunt):
    def step(self, actions):
        *rest, infos = super().step(actions)
        return *rest, {agent: {"success": 0.5} for agent in infos}


class Endless(ScoutHunt):
    def step(self, actions):
        observations, rewards, ended, cut, infos = super().step(actions)
        self.agents = list(self.possible_agents)
        return observations, rewards, dict.fromkeys(ended, False), cut, infos


class OddNames(ScoutHunt):
    def __init__(self):
        super().__init__()
        self.possible_agents = ["the scout", "partner_0"]


@pytest.mark.parametrize(
    ("env", "text"),
    [
        (list, "list is not a PettingZoo env"),
        (OddNames, "called 'the scout'"),
        (NewSpaces, "new space each time"),
        (ContinuousActions, r"use Discrete\(n\)"),
        (NoMask, r"use Dict\(observation=..., action_mask=...\)"),
        (ShortMask, r"shape \(4,\), but there are 5 actions"),
        (OutOfSpace, "outside of its space"),
        (NothingLegal, "at least one 1"),
        (TooFewNames, "has 5 actions; give as many"),
        (SameNames, "differ by more than case"),
        (TwoLineRules, "on one line"),
        (RulesWithoutPeriod, "end the paragraph with a period"),
        (MoodyWords, "two texts for one observation"),
        (NoState, r"no state\(\)"),
        (StateOutsideItsSpace, "outside of state_space"),
        (StateOfChangingShape, "changes its shape"),
        (NoWordsForTheState, r"lacks \['describe_state'\]"),
        (NoOptimum, "the keys"),
        (BoundAboveOptimum, "is above optimum"),
        (EquilibriumAboveOptimum, "more on average than optimum"),
        (EquilibriumOfOthers, "give a number for each of"),
        (NoSource, "no source"),
        (IgnoresTheSeed, "the same actions differ"),
        (RemembersTheLastEpisode, "the same actions differ"),
        (GlobalGenerator, "global generator"),
        (NaNReward, "rewards are finite numbers"),
        (PartialSuccess, r"give 0.0 or 1.0"),
        (Endless, "truncate it"),
    ],
)
def test_each_breach_of_the_env_contract_is_told(env, text):
    with pytest.raises(EnvError, match=text):
        check_env(env, horizon=200)


class Careful:
    """Draws one option, or one of three words, from the view's own stream."""

    name, trainable = "careful", False

    def decide(self, views):
        return [self.one(view) for view in views]

    def one(self, view):
        options = view.options or ("yes", "no", "perhaps")
        choice = int(view.rng.integers(len(options)))
        return Decision(options[choice], choice if view.options else None)


class OneForAll(Careful):
    """Draws from the first view's stream for every view."""

    def decide(self, views):
        return [self.one(replace(view, rng=views[0].rng)) for view in views]


class OwnGenerator(Careful):
    rng = np.random.default_rng(0)

    def one(self, view):
        return Decision(str(self.rng.random()), 0 if view.options else None)


class OrderMatters(Careful):
    def decide(self, views):
        return [Decision(str(place), 0 if view.options else None) for place, view in enumerate(views)]


class OneShort(Careful):
    def decide(self, views):
        return super().decide(views)[1:]


class Talkative(Careful):
    def decide(self, views):
        return super().decide(views) or [Decision("anybody?")]


def always(trainable=False, **decision):
    class Always(Careful):
        def one(self, view):
            return Decision("x", **{"choice": 0 if view.options else None, **decision})

    Always.trainable = trainable
    return Always


class Strings(Careful):
    def one(self, view):
        return "north"


class Nameless(Careful):
    name = None


def test_careful_policies_pass():
    check_policy(Careful())
    check_policy(always(failure=ParseFailure("x", "no option"), choice=None)())
    check_policy(Careful(), sample_views(3)[:1])


class TellsNoTokens(Careful):
    """As a policy behind a server: log-probabilities of each token, and not the tokens."""

    def one(self, view):
        return Decision("x y", 0, log_probs=(-1.0,)) if view.options else Decision("x y", log_probs=(-0.5, -1.0))


class CountsWrong(TellsNoTokens):
    def one(self, view):
        return Decision("x y", 0) if view.options else Decision("x y", token_ids=(1, 2, 3), log_probs=(-0.5, -1.0))


def test_log_probabilities_are_counted_where_their_tokens_are_known():
    check_policy(TellsNoTokens())
    with pytest.raises(PolicyError, match="has 2 log-probabilities; give 3"):
        check_policy(CountsWrong())


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (Nameless, "needs `name`"),
        (OneShort, "answers 4 views"),
        (Strings, "give marl.types.Decision"),
        (Talkative, "answers 0 views"),
        (always(choice=7), "give an index into"),
        (always(choice=0), "where there are no options"),
        (always(choice=None), "or a ParseFailure"),
        (always(log_probs=(0.5,)), "finite numbers of at most 0"),
        (always(log_probs=(float("nan"),)), "finite numbers of at most 0"),
        (always(log_probs=(-1.0, -1.0)), "2 log-probabilities; give 1"),
        (always(trainable=True), "0 log-probabilities; give 1"),
        (always(trainable=True, log_probs=(-1.0,)), "keeps neither prompt_ids nor inputs"),
        (OwnGenerator, "asked twice"),
        (OrderMatters, "in another order"),
    ],
)
def test_each_breach_of_the_policy_contract_is_told(policy, text):
    with pytest.raises(PolicyError, match=text):
        check_policy(policy())


def test_one_stream_for_the_whole_batch_is_noticed():
    with pytest.raises(PolicyError, match="depend on its own view"):
        check_policy(OneForAll())


def test_sample_views_hold_every_shape_of_turn():
    views = sample_views()
    assert {(view.phase, bool(view.options)) for view in views} == {("act", True), ("talk", False), ("talk", True)}
    assert len({view.rng.random() for view in views}) == len(views)
