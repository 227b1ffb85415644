from collections import Counter

import networkx as nx
import numpy as np
import pytest
from scipy.stats import chisquare

from envs.maze import SIDES, VIEWS, WALKER, is_held_out, parallel_env, spanning_tree
from marl.testing import check_env


def graph(ways):
    """The maze as a networkx graph, built from the right and the down sides alone."""
    size = len(ways)
    found = nx.Graph()
    found.add_nodes_from(np.ndindex(size, size))
    for row, column in np.ndindex(size, size):
        if ways[row, column, 1]:
            found.add_edge((row, column), (row, column + 1))
        if ways[row, column, 2]:
            found.add_edge((row, column), (row + 1, column))
    return found


@pytest.mark.parametrize("size", [3, 4, 9])
def test_mazes_are_spanning_trees_with_walls_that_agree(size):
    rng = np.random.default_rng(0)
    for _ in range(20):
        ways = spanning_tree(size, rng)
        found = graph(ways)
        assert found.number_of_nodes() == size**2
        assert nx.is_tree(found)
        assert np.array_equal(ways[:, 1:, 3], ways[:, :-1, 1])
        assert np.array_equal(ways[1:, :, 0], ways[:-1, :, 2])
        assert not any([ways[0, :, 0].any(), ways[-1, :, 2].any(), ways[:, 0, 3].any(), ways[:, -1, 1].any()])


def test_all_192_mazes_of_three_by_three_are_equally_likely():
    """Kirchhoff's matrix-tree theorem counts the trees; a chi-square test says whether they are drawn alike."""
    laplacian = nx.laplacian_matrix(nx.grid_2d_graph(3, 3)).toarray()
    trees = round(np.linalg.det(laplacian[1:, 1:].astype(float)))
    rng = np.random.default_rng(1)
    drawn = Counter(spanning_tree(3, rng).tobytes() for _ in range(192 * 40))
    assert len(drawn) == trees == 192
    assert chisquare(list(drawn.values())).pvalue > 0.001


@pytest.mark.parametrize("size", [3, 5])
def test_distances_are_shortest_paths(size):
    env = parallel_env(size)
    for seed in range(10):
        _, infos = env.reset(seed=seed)
        lengths = nx.single_source_shortest_path_length(graph(env.open), env.goal)
        assert {cell: int(env.distances()[cell]) for cell in lengths} == lengths
        assert infos[WALKER] == {"shortest": lengths[env.cell], "steps": 0}
        assert env.reference()["shortest"] == lengths[env.cell] > 0


def walk(env, choose):
    """One episode; returns (return, last info, truncated)."""
    observations, _ = env.reset()
    total, cut = 0.0, {}
    while env.agents:
        action = choose(env, observations[WALKER])
        observations, rewards, _, cut, infos = env.step({WALKER: action})
        total += rewards[WALKER]
    return total, infos[WALKER], cut[WALKER]


def downhill(env, observation):
    distances = env.distances()
    sides = np.flatnonzero(observation["action_mask"])
    offsets = ((-1, 0), (0, 1), (1, 0), (0, -1))
    return int(min(sides, key=lambda side: distances[env.cell[0] + offsets[side][0], env.cell[1] + offsets[side][1]]))


def along_the_wall(env, observation):
    """The first open side clockwise after the one it came from: needs the local view only."""
    ways, _, came = observation["observation"].reshape(3, 4)
    return next((int(came.argmax()) + turn) % 4 for turn in range(1, 5) if ways[(int(came.argmax()) + turn) % 4])


@pytest.mark.parametrize("size", [3, 4, 8])
def test_the_optimum_is_reached_on_shortest_ways_and_by_following_a_wall(size):
    env = parallel_env(size)
    env.reset(seed=3)
    for _ in range(40):
        total, info, cut = walk(env, downhill)
        assert (total, info["success"], cut) == (env.reference()["optimum"], 1.0, False)
        assert info["steps"] == info["shortest"]
        total, info, _ = walk(env, along_the_wall)
        assert (total, info["success"]) == (1.0, 1.0)
        assert info["steps"] <= 2 * (size**2 - 1)


def by_the_thread(rng):
    """Any side that is new, or back."""

    def choose(env, observation):
        ways, _, entered, nothing = observation["observation"].reshape(4, 4).astype(bool)
        new = np.flatnonzero(ways & ~entered & ~nothing)
        assert (f"New: {', '.join(SIDES[side] for side in new) or 'none'}.") in env.describe(WALKER, observation)
        return int(rng.choice(new)) if len(new) else int(entered.argmax())

    return choose


@pytest.mark.parametrize("size", [3, 4, 8])
def test_the_thread_makes_every_walk_over_new_sides_a_depth_first_search(size):
    env = parallel_env(size, view="thread")
    env.reset(seed=3)
    choose = by_the_thread(np.random.default_rng(size))
    for _ in range(40):
        total, info, _ = walk(env, choose)
        assert (total, info["success"]) == (1.0, 1.0)
        assert info["steps"] <= 2 * (size**2 - 1)


def test_the_thread_leads_back_to_the_entrance_and_marks_what_led_nowhere():
    env = parallel_env(3, view="thread", number=2)
    env.reset()
    start, side = env.cell, int(np.flatnonzero(env.open[env.cell])[0])
    marks = lambda observations: observations[WALKER]["observation"].reshape(4, 4)[2:]  # noqa: E731
    assert not marks(env._observations()).any(), "where one starts is no entrance"
    observations, *_ = env.step({WALKER: side})
    assert marks(observations).tolist() == [np.eye(4)[(side + 2) % 4].tolist(), [0, 0, 0, 0]]
    observations, *_ = env.step({WALKER: (side + 2) % 4})
    assert env.cell == start
    assert marks(observations).tolist() == [[0, 0, 0, 0], np.eye(4)[side].tolist()]


def test_an_episode_is_cut_off_after_its_budget():
    env = parallel_env(5, number=4, budget=3)
    env.reset()
    assert env.shortest > 3, "otherwise this maze tests nothing"
    total, info, cut = walk(env, downhill)
    assert (total, info["success"], info["steps"], cut) == (0.0, 0.0, 3, True)


@pytest.mark.parametrize("size", [3, 6])
def test_held_out_walls_are_never_trained_on(size):
    seen = {}
    for split in ("train", "held_out"):
        env = parallel_env(size, split=split)
        env.reset(seed=0)
        seen[split] = set()
        for _ in range(400):
            env.reset()
            assert is_held_out(env.open) == (split == "held_out")
            seen[split].add(env.open.tobytes())
    assert not seen["train"] & seen["held_out"]
    assert len(seen["held_out"]) > 20
    rng = np.random.default_rng(5)
    share = np.mean([is_held_out(spanning_tree(size, rng)) for _ in range(1000)])
    assert 0.1 < share < 0.3


def test_a_number_is_one_maze():
    mazes = {n: parallel_env(4, number=n) for n in (7, 7, 8)}
    states = []
    for env in (mazes[7], parallel_env(4, number=7), mazes[8]):
        env.reset(seed=1)
        first = env.state()
        env.reset(seed=2)
        assert np.array_equal(env.state(), first)
        states.append(first.tobytes())
    assert states[0] == states[1] != states[2]


def test_the_local_view_in_words():
    env = parallel_env(3, number=0)
    observations, _ = env.reset()
    text = env.describe(WALKER, observations[WALKER])
    open_sides = [SIDES[side] for side in np.flatnonzero(observations[WALKER]["action_mask"])]
    assert text.startswith(f"Open: {', '.join(open_sides)}. Goal: ")
    assert "came from" not in text
    vertical = {-1: "up", 0: "", 1: "down"}[int(np.sign(env.goal[0] - env.cell[0]))]
    horizontal = {-1: "left", 0: "", 1: "right"}[int(np.sign(env.goal[1] - env.cell[1]))]
    assert set(text.split("Goal: ")[1].rstrip(".").split()) == {vertical, horizontal} - {""}
    side = int(np.flatnonzero(observations[WALKER]["action_mask"])[0])
    observations, *_ = env.step({WALKER: side})
    text = env.describe(WALKER, observations[WALKER])
    assert text.endswith(f"You came from: {SIDES[(side + 2) % 4]}.")


@pytest.mark.parametrize("view", VIEWS)
def test_keeps_the_contract_with_either_view(view):
    check_env(lambda: parallel_env(4, view=view))


def test_the_full_view_is_the_map():
    env = parallel_env(4, view="full")
    observations, _ = env.reset(seed=2)
    text = env.describe(WALKER, observations[WALKER])
    assert text == f"Map: {env.render().replace(chr(10), ' ')}"
    rows = env.render().split("\n")
    assert {len(row) for row in rows} == {len(rows)} == {9}
    found = graph(env.open)
    assert sum(row.count(".") for row in rows) + 2 == found.number_of_nodes() + found.number_of_edges()
    assert rows[2 * env.cell[0] + 1][2 * env.cell[1] + 1] == "W"
    assert rows[2 * env.goal[0] + 1][2 * env.goal[1] + 1] == "G"


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"size": 2}, "size=2; give a whole number from 3 to 16"),
        ({"size": True}, "size=True"),
        ({"view": "bird"}, "view='bird'"),
        ({"split": "test"}, "split='test'"),
        ({"number": -1}, "number=-1; give a whole number of at least 0"),
        ({"budget": 0}, "budget=0; give a whole number of at least 1"),
    ],
)
def test_refuses_other_settings(kwargs, message):
    with pytest.raises(ValueError, match=message):
        parallel_env(**kwargs)


def test_against_a_wall_one_stays_and_time_goes_on():
    env = parallel_env(3)
    observations, _ = env.reset(seed=0)
    wall = int(np.flatnonzero(observations[WALKER]["action_mask"] == 0)[0])
    cell = env.cell
    after, rewards, *_, infos = env.step({WALKER: wall})
    assert (env.cell, infos[WALKER]["steps"], rewards[WALKER]) == (cell, 1, 0.0)
    assert np.array_equal(after[WALKER]["observation"], observations[WALKER]["observation"])


def test_refuses_unknown_actions():
    env = parallel_env(3)
    env.reset(seed=0)
    for action in (4, None):
        with pytest.raises(ValueError, match=rf"walker_0 plays {action}; give a whole number from 0 to 3 \(up, "):
            env.step({WALKER: action})
