from itertools import product

import numpy as np
import pytest

from envs.rendezvous import PLACES, WEATHER, parallel_env

PLAYERS = ("player_0", "player_1")


def chance(clues, place, accuracy):
    return np.prod([accuracy if clue == place else (1 - accuracy) / 2 for clue in clues])


def apart(accuracy, day):
    """Dynamic programming has one stage, for choices change nothing later: all pairs of views, all pairs of places,
    improved in turn from every start. It goes over sequences of clues, not over counts as the env does."""
    views = list(product(range(3), repeat=day))
    likely = np.array([[chance(view, place, accuracy) for place in range(3)] for view in views])
    best = 0.0
    rng = np.random.default_rng(0)
    for start in range(300):
        plan = rng.integers(3, size=len(views)) if start >= 3 else np.full(len(views), start)
        for _ in range(20):
            right = np.array([likely[plan == place, place].sum() for place in range(3)])
            plan = (right * likely).argmax(axis=1)
        best = max(best, (right * likely).max(axis=1).sum() / 3)
    return best


def pooled(accuracy, day):
    """Over all joint clues: the likeliest place is right."""
    return sum(
        max(chance(clues, place, accuracy) for place in range(3)) / 3 for clues in product(range(3), repeat=2 * day)
    )


@pytest.mark.parametrize(("days", "accuracy"), [(1, 0.8), (2, 0.8), (3, 0.8), (3, 0.5), (2, 0.65), (3, 1.0)])
def test_reference_by_dynamic_programming(days, accuracy):
    reference = parallel_env(days, accuracy).reference()
    assert reference["optimum"] == pytest.approx(10 * sum(pooled(accuracy, day) for day in range(1, days + 1)))
    assert reference["no_communication"] == pytest.approx(10 * sum(apart(accuracy, day) for day in range(1, days + 1)))
    assert reference["equilibria"][2]["payoffs"]["player_0"] == pytest.approx(10 * days / 3)


def test_the_bound_over_all_pairs_of_plans_of_one_day():
    """27 plans each, all 729 pairs, nothing improved: brute force."""
    plans = list(product(range(3), repeat=3))
    likely = np.array([[chance([view], place, 0.8) for place in range(3)] for view in range(3)])
    quality = np.array([[sum(likely[v, p] for v in range(3) if plan[v] == p) for p in range(3)] for plan in plans])
    values = quality @ quality.T / 3
    assert (
        10 * values.max() == pytest.approx(parallel_env(1, 0.8).reference()["no_communication"]) == pytest.approx(6.4)
    )


def test_by_hand():
    """One day: both clues must be right, 0.8^2. Three days pooled: six clues."""
    assert parallel_env(1, 0.8).reference()["optimum"] == pytest.approx(8.0)
    assert parallel_env(3, 1.0).reference()["no_communication"] == pytest.approx(30.0)
    assert parallel_env(1, 0.5).reference()["no_communication"] == pytest.approx(10 / 3), "better to ignore the clues"


def episodes(count, env, choose):
    """Returns and last-day success of `count` episodes, and each one's (treasure, weather, clues)."""
    env.reset(seed=11)
    returns, successes, hidden = [], [], []
    for _ in range(count):
        observations, _ = env.reset()
        total = 0.0
        while env.agents:
            actions = {agent: choose(env, agent, observations[agent]) for agent in env.agents}
            observations, rewards, _, _, infos = env.step(actions)
            assert rewards["player_0"] == rewards["player_1"]
            total += rewards["player_0"]
        returns.append(total)
        successes.append(infos["player_0"]["success"])
        flags = env.state()
        hidden.append((flags[:3].argmax(), flags[3:6].argmax(), flags[6:-4].reshape(2, 3, 3).argmax(axis=2)))
    return np.array(returns), np.array(successes), hidden


def majority(env, agent, observation):
    counts = observation["observation"][: 3 * env.days].reshape(env.days, 3).sum(axis=0)
    return int(counts.argmax())


def test_play_on_own_clues_earns_the_bound_and_the_weather_cancels():
    env = parallel_env()
    returns, successes, hidden = episodes(4000, env, majority)
    treasures, weathers, clues = (np.array(part) for part in zip(*hidden, strict=True))
    calm = returns - 30 * (1 - weathers)
    error = calm.std() / len(calm) ** 0.5
    # The first of several best places counts as the majority's: both settle ties alike, as the best pair does.
    assert abs(calm.mean() - env.reference()["no_communication"]) < 4 * error
    assert np.isin(calm, (0, 10, 20, 30)).all()
    assert abs(np.bincount(treasures, minlength=3) / 4000 - 1 / 3).max() < 0.03
    assert abs(np.bincount(weathers, minlength=3) / 4000 - 1 / 3).max() < 0.03
    right = clues == treasures[:, None, None]
    assert abs(right.mean(axis=0) - 0.8).max() < 0.03
    assert abs(np.corrcoef(right.reshape(4000, 6).T) - np.eye(6)).max() < 0.07, "clues are independent"
    assert 0.7 < successes.mean() < 0.95


def test_the_state_explains_far_more_of_the_return_than_a_players_view():
    """The reason for this game: variance of the return left by the own view, and by the state, under one policy."""
    env = parallel_env()
    returns, _, hidden = episodes(6000, env, lambda env, agent, observation: env._clues[-1][int(agent[-1])])

    def left_over(keys):
        groups = {}
        for key, value in zip(keys, returns, strict=True):
            groups.setdefault(key, []).append(value)
        return sum(np.var(group) * len(group) for group in groups.values() if len(group) > 1) / len(returns)

    own = left_over([int(clues[0, 0]) for _, _, clues in hidden])  # what player_0 sees on the first day
    state = left_over([(int(t), int(w), tuple(clues[:, 0].tolist())) for t, w, clues in hidden])
    assert own > 500
    assert state < own / 5


def test_views_are_private_and_tell_nothing_of_the_weather_or_the_other():
    env = parallel_env(days=2)
    told = {}
    for seed in range(300):
        observations, _ = env.reset(seed=seed)
        treasure, weather = env.describe_state().removeprefix("the treasure is at the ").split(", the weather is ")
        assert (env.state()[:3].argmax(), env.state()[3:6].argmax()) == (PLACES.index(treasure), WEATHER.index(weather))
        for seat, agent in enumerate(PLAYERS):
            clue = PLACES[env._clues[0][seat]]
            text = env.describe(agent, observations[agent])
            assert text == f"You see: {clue}."
            told.setdefault((clue, observations[agent]["observation"].tobytes()), set()).add((treasure, weather))
        after, *_ = env.step({"player_0": 0, "player_1": 2})
        first, second = (PLACES[day[1]] for day in env._clues)
        assert env.describe("player_1", after["player_1"]) == f"You see: {first}, {second}."
    assert len(told) == 3, "a view is its clues and nothing else"
    assert all(len(hidden) == 9 for hidden in told.values())


def test_the_weather_is_paid_every_day_and_told():
    for weather in (0.0, 4.0):
        env = parallel_env(days=2, weather=weather)
        assert ("weather" in env.rules("player_0")) == (weather > 0)
        for seed in range(20):
            env.reset(seed=seed)
            treasure, sky = int(env.state()[:3].argmax()), int(env.state()[3:6].argmax())
            _, met, *_ = env.step(dict.fromkeys(PLAYERS, treasure))
            _, missed, *_, infos = env.step({"player_0": treasure, "player_1": (treasure + 1) % 3})
            assert met["player_1"] == 10 + weather * (1 - sky)
            assert missed["player_0"] == weather * (1 - sky)
            assert infos["player_0"]["success"] == 0.0


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"days": 4}, "days=4; give a whole number from 1 to 3"),
        ({"days": True}, "days=True"),
        ({"accuracy": 0.2}, "accuracy=0.2; give a number from 1/3"),
        ({"accuracy": float("nan")}, "accuracy=nan"),
        ({"weather": -1}, "weather=-1; give a finite number"),
    ],
)
def test_refuses_other_settings(kwargs, message):
    with pytest.raises(ValueError, match=message):
        parallel_env(**kwargs)


def test_refuses_unknown_actions_and_keeps_rules_short():
    env = parallel_env()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"player_1 plays 3; give 0 \(hill\), 1 \(river\) or 2 \(lake\)"):
        env.step({"player_0": 0, "player_1": 3})
    assert len(env.rules("player_0").split()) <= 45
