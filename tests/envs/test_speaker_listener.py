import sys

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from envs.speaker_listener import (
    COLORS,
    LISTENER,
    MOVES,
    SPEAKER,
    WORDS,
    SpeakerListenerArrays,
    TextFace,
    parallel_env,
)
from marl.errors import ScenarioError
from marl.scenario import load_scenario
from marl.table import open_env

COPIES, CYCLES = 8, 25


def copied(count=COPIES, seed=0):
    """mpe2's envs, reset, and a twin that was given their physical states."""
    originals = [parallel_env(CYCLES) for _ in range(count)]
    twin = SpeakerListenerArrays(count, CYCLES)
    twin.reset(np.random.default_rng(seed))
    for number, env in enumerate(originals):
        env.reset(seed=seed + number)
        world = env.unwrapped.world
        twin.position[number] = world.agents[1].state.p_pos
        twin.landmarks[number] = [landmark.state.p_pos for landmark in world.landmarks]
        twin.goal[number] = world.landmarks.index(world.agents[0].goal_b)
    return originals, twin


@pytest.mark.parametrize("seed", [0, 100])
def test_the_twin_is_mpe2_step_by_step(seed):
    originals, twin = copied(seed=seed)
    rng = np.random.default_rng(seed)
    worlds = [env.aec_env.unwrapped for env in originals]
    assert len(set(twin.goal.tolist())) > 1, "otherwise the goals test nothing"
    for cycle in range(1, CYCLES + 1):
        seen, state = twin.observations(), twin.state()
        for number, world in enumerate(worlds):
            for agent in twin.agents:
                np.testing.assert_allclose(seen[agent][number], world.observe(agent), atol=1e-6)
            np.testing.assert_allclose(state[number], originals[number].state(), atol=1e-6)
        actions = {SPEAKER: rng.integers(3, size=COPIES), LISTENER: rng.integers(5, size=COPIES)}
        rewards, ended, cut = twin.step(actions)
        for number, env in enumerate(originals):
            _, wanted, ends, cuts, _ = env.step({agent: int(actions[agent][number]) for agent in twin.agents})
            for agent in twin.agents:
                assert rewards[agent][number] == pytest.approx(wanted[agent], abs=1e-6)
                assert (ended[number], cut[number]) == (ends[agent], cuts[agent])
        assert cut.all() == (cycle == CYCLES)
    for number, world in enumerate(worlds):
        np.testing.assert_allclose(twin.observations()[LISTENER][number], world.observe(LISTENER), atol=1e-6)


def test_shapes_and_types_are_those_of_the_contract():
    originals, twin = copied()
    seen, masks = twin.observations(), twin.masks()
    for agent in twin.agents:
        space = originals[0].observation_space(agent)
        assert all(space.contains(row) for row in seen[agent])
        assert masks[agent].shape == (COPIES, originals[0].action_space(agent).n)
        assert masks[agent].dtype == bool
        assert masks[agent].all()
    assert twin.agents == tuple(originals[0].possible_agents)
    assert twin.state().dtype == np.float32
    assert twin.state().shape == (COPIES, originals[0].unwrapped.state_space.shape[0])
    rewards, ended, cut = twin.step({SPEAKER: np.zeros(COPIES, int), LISTENER: np.zeros(COPIES, int)})
    assert rewards.keys() == {SPEAKER, LISTENER}
    assert ended.dtype == cut.dtype == bool
    assert not ended.any()


def test_first_states_are_distributed_as_mpe2s():
    """Goals by chi-square; each coordinate uniform on [-1, 1] in both, by Kolmogorov and Smirnov."""
    env, twin = parallel_env(), SpeakerListenerArrays(1500)
    twin.reset(np.random.default_rng(3))
    states = []
    env.reset(seed=3)
    for _ in range(1500):
        env.reset()
        states.append(env.state())
    theirs, ours = np.array(states), twin.state()
    for drawn in (theirs, ours):
        assert chisquare(np.bincount(drawn[:, :3].argmax(axis=1), minlength=3)).pvalue > 0.001
        assert not drawn[:, 3:5].any(), "at rest"
        assert not drawn[:, 11:].any(), "no word yet"
    uniform = "uniform", (-1, 2)
    for column in [twin.position, twin.landmarks[:, 0], twin.landmarks[:, 1], twin.landmarks[:, 2]]:
        assert all(kstest(column[:, axis], *uniform).pvalue > 0.001 for axis in range(2))
    for column in range(5, 11):  # landmark minus listener: a triangular distribution, the same in both
        assert kstest(theirs[:, column], ours[:, column]).pvalue > 0.001
    assert abs(np.corrcoef(ours[:, 5:11].T) - np.corrcoef(theirs[:, 5:11].T)).max() < 0.12


def mean_return(choose, count=4000):
    """Mean return per agent over 25 steps, and its standard error, of `choose(twin, rng) -> the listener's moves`."""
    twin, rng = SpeakerListenerArrays(count), np.random.default_rng(0)
    twin.reset(rng)
    total = np.zeros(count)
    for _ in range(CYCLES):
        rewards, *_ = twin.step({SPEAKER: rng.integers(3, size=count), LISTENER: choose(twin, rng)})
        total += rewards[LISTENER]
    return total.mean(), total.std() / count**0.5


def toward(target):
    """Push along the axis that is farther off, counted from where the listener would have glided to in 0.2 s."""

    def choose(twin, rng):
        offset = target(twin) - (twin.position + 0.2 * twin.velocity)
        across = abs(offset[:, 0]) > abs(offset[:, 1])
        moves = np.where(across, np.where(offset[:, 0] < 0, 1, 2), np.where(offset[:, 1] < 0, 3, 4))
        return np.where(abs(offset).max(axis=1) < 0.03, 0, moves)

    return choose


def test_returns_of_known_ways_to_play():
    """Random play, the landmarks' centroid (the best target without a word: it has the least mean square distance to
    a goal that is uniform among them), and the goal itself, against figures measured on mpe2 elsewhere."""
    random, error = mean_return(lambda twin, rng: rng.integers(5, size=twin.count))
    assert random == pytest.approx(-39.7, abs=4 * error)
    silent, error = mean_return(toward(lambda twin: twin.landmarks.mean(axis=1)))
    assert silent == pytest.approx(-15.4, abs=4 * error)
    oracle, error = mean_return(toward(lambda twin: twin.landmarks[np.arange(twin.count), twin.goal]))
    assert oracle == pytest.approx(-7.3, abs=4 * error)


def test_refuses_what_it_cannot_step():
    with pytest.raises(ValueError, match="count=0; give a whole number of at least 1"):
        SpeakerListenerArrays(0)
    twin = SpeakerListenerArrays(2, max_cycles=1)
    still = {SPEAKER: np.zeros(2, int), LISTENER: np.zeros(2, int)}
    with pytest.raises(ValueError, match=r"call reset\(rng\) first"):
        twin.step(still)
    twin.reset(np.random.default_rng(0))
    for wrong in (np.array([0, 5]), np.array([0]), np.array([0.0, 1.0]), np.array([-1, 0])):
        with pytest.raises(ValueError, match=r"listener_0 plays .*; give 2 whole numbers from 0 to 4"):
            twin.step({**still, LISTENER: wrong})
    with pytest.raises(ValueError, match="speaker_0 plays"):
        twin.step({LISTENER: still[LISTENER]})
    twin.step(still)
    with pytest.raises(ValueError, match="the episodes are over after 1 cycles"):
        twin.step(still)


def test_the_face_names_goal_landmarks_motion_and_word():
    env = parallel_env()
    face = TextFace(env.unwrapped)
    told = set()
    for seed in range(20):
        observations, _ = env.reset(seed=seed)
        goal = face.describe_state().removeprefix("the goal is ")
        assert face.describe(SPEAKER, observations[SPEAKER]) == f"You see: the goal is {goal}."
        assert "speaker_0:" not in face.describe(LISTENER, observations[LISTENER])
        told.add(goal)
    assert told == set(COLORS)
    assert face.action_names(SPEAKER) == list(WORDS)
    assert face.action_names(LISTENER) == list(MOVES)
    seen = np.array([0, 0.5, 0.4, -1.5, 0.02, 0.05, -0.3, 0.6, 0, 1, 0])
    assert face.describe(LISTENER, seen) == (
        "You see: red far down right, green here, blue up left. You go: up. speaker_0: beta."
    )
    for agent in env.possible_agents:
        assert face.rules(agent).endswith(".")
        assert len(face.rules(agent).split()) <= 45


@pytest.mark.parametrize(("move", "sign"), list(zip(MOVES[1:], [(-1, 0), (1, 0), (0, -1), (0, 1)], strict=True)))
def test_moves_are_named_as_mpe2_moves(move, sign):
    env = parallel_env()
    face = TextFace(env.unwrapped)
    env.reset(seed=0)
    observations, *_ = env.step({SPEAKER: 1, LISTENER: face.action_names(LISTENER).index(move)})
    assert np.sign(observations[LISTENER][:2]).tolist() == list(sign)
    assert f"You go: {move}. speaker_0: beta." in face.describe(LISTENER, observations[LISTENER])


def test_without_mpe2_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpe2", None)
    with pytest.raises(ImportError, match=r'pip install "parley-marl\[mpe\]"'):
        parallel_env()
    with pytest.raises(ScenarioError, match=r"env\.entry: envs\.speaker_listener:parallel_env cannot be made here"):
        open_env(load_scenario("speaker_listener"))
