"""An API policy in whole episodes: against scripted servers that behave well or badly, and against a real one."""

import json
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from api_server import Answer, chat, legal, serving
from tokenizers import Tokenizer

from marl.channel.conversation import CHARACTERS_PER_TOKEN
from marl.errors import ModelError, ScenarioError
from marl.policies import Policy, build_policies
from marl.policies.api import LONGEST_TOKEN, APIPolicy
from marl.rollout import play
from marl.scenario import dump_scenario, load_scenario, validate_scenario
from marl.settings import APISettings
from marl.store import RunDirectory
from marl.testing import check_policy

QUICK = {"timeout_s": 10.0, "backoff_s": 0.01, "retries": 1}
NANO = Path(__file__).parents[2] / "marl" / "models" / "nano"


def policy(server, **settings):
    return APIPolicy("hunter", APISettings(kind="api", model="tiny", base_url=server.url, **QUICK | settings))


def hunt(url, *overrides, **settings):
    """scout_hunt with one API model on both seats."""
    api = {"kind": "api", "model": "tiny", "base_url": url} | QUICK | settings
    return load_scenario("scout_hunt", [f"policies.hunter={json.dumps(api)}", *overrides])


def played(scenario, episodes=4, seed=0):
    policies = build_policies(scenario, seed=seed)
    return play(scenario, policies, range(episodes), seed=seed), policies["hunter"].meter


def texts(episodes):
    return [[(turn.agent, turn.phase, turn.text, turn.choice) for turn in episode.turns] for episode in episodes]


def teller(request):
    """Tells what it sees, and does what it sees or else hears: the convention that earns 10 in every scout hunt."""
    valley = re.search(r"the stag is in the (\w+) valley|scout_0: (\w+)", request.prompt)
    return chat(next(filter(None, valley.groups()), "x") if valley else "nothing")


def test_it_keeps_the_contract_of_policies(views):
    with serving(legal) as server:
        made = policy(server)
        assert isinstance(made, Policy)
        assert (made.name, made.trainable) == ("hunter", False)
        check_policy(made, views)
        assert made.decide([]) == []


def test_decisions_fit_their_views(views):
    with serving(legal) as server:
        decisions = policy(server).decide(views)
        asked = {request.prompt: request.body for request in server.requests}
    for view, decision in zip(views, decisions, strict=True):
        assert decision.failure is None
        assert decision.log_probs == decision.token_ids == ()
        if view.options:
            assert view.options[decision.choice] == decision.text
            assert asked[view.prompt]["max_tokens"] == 32
        else:
            assert re.fullmatch(r"word \d", decision.text), "one line, white space normalized"
            assert asked[view.prompt]["max_tokens"] == view.budget
    assert len(asked) == len({view.prompt for view in views})


def test_the_seed_of_a_request_comes_from_the_views_own_stream(make_view):
    with serving(legal) as server:
        policy(server, concurrency=1).decide([make_view("act", seed=seed) for seed in (5, 6, 5)])
        seeds = [request.body["seed"] for request in server.requests]
    assert seeds == [int(np.random.default_rng(seed).integers(2**31 - 1)) for seed in (5, 6, 5)]


@pytest.mark.parametrize("options", [("north", "south"), ()])
def test_a_call_that_fails_is_a_failed_turn(options, make_view):
    with serving(Answer("oops", status=500)) as server:
        [decision] = policy(server).decide([make_view("act" if options else "talk", options=options)])
    assert decision.failure.reason == "HTTP 500: 'oops' (after 2 tries)"
    assert decision.failure.kind == "call"
    assert (decision.text, decision.choice) == ("", None)


def test_a_reply_that_names_no_option_is_a_failed_turn(make_view):
    with serving(chat("I go\nnorth")) as server:
        act, talk = policy(server).decide([make_view("act"), make_view("talk", options=("ba", "du"))])
    assert act.choice is None
    assert act.text == "I go north"
    assert (act.failure.text, act.failure.kind) == ("I go\nnorth", "reply")
    assert "is not one of: north, south" in act.failure.reason
    assert "is not one of: ba, du" in talk.failure.reason


@pytest.mark.parametrize(
    ("answer", "settings", "reason"),
    [
        (chat("a b c d", completion_tokens=9), {}, "has 9 tokens; the budget is 3"),
        (chat("a b c d", usage=None), {}, "has 4 words; the budget is 3"),
        (chat("a b c d", completion_tokens=9), {"thinking_tokens": 20}, "has 4 words; the budget is 3"),
        (chat("x" * 193), {}, "has 193 characters; at most 64 for each of 3 tokens"),
        (chat("a b c d", completion_tokens=3), {}, None),  # the server counts, and its tokens may hold two words
        (chat("a b c", usage=None), {}, None),
        (chat("x" * 192), {}, None),
    ],
)
def test_talk_over_the_budget_is_a_failed_turn_and_never_cut(answer, settings, reason, make_view):
    with serving(answer) as server:
        [decision] = policy(server, **settings).decide([make_view("talk", budget=3)])
    if reason is None:
        assert decision.failure is None
    else:
        assert reason in decision.failure.reason


def test_hidden_reasoning_is_no_part_of_the_message(make_view):
    usage = {
        "prompt_tokens": 5,
        "completion_tokens": 63,
        "completion_tokens_details": {"reasoning_tokens": 60},
    }
    with serving(chat("go north", usage=usage)) as server:
        [decision] = policy(server, thinking_tokens=60).decide([make_view("talk", budget=3)])
        assert server.requests[0].body["max_tokens"] == 63
    assert (decision.text, decision.failure) == ("go north", None)


def test_as_many_characters_as_the_channel_carries():
    assert LONGEST_TOKEN == CHARACTERS_PER_TOKEN


def test_log_probabilities_a_token_for_talk_and_of_the_reply_for_a_choice(make_view):
    log_probs = {"content": [{"logprob": -0.25}, {"logprob": -0.5}]}
    with serving(chat("south", logprobs=log_probs)) as server:
        talk, act = policy(server, logprobs=True).decide([make_view("talk"), make_view("act")])
    assert talk.log_probs == (-0.25, -0.5)
    assert act.log_probs == (-0.75,)


def test_a_pickled_policy_decides_the_same(views, monkeypatch):
    monkeypatch.setenv("PARLEY_TEST_KEY", "secret-key-123")
    with serving(legal) as server:
        made = policy(server, api_key_env="PARLEY_TEST_KEY")
        sent = pickle.dumps(made)
        assert b"secret" not in sent
        copies = pickle.loads(pickle.dumps(views))
        assert made.decide(views) == pickle.loads(sent).decide(copies)


def test_a_scenario_builds_it():
    scenario = hunt("http://127.0.0.1:9/v1", model="big", cost_limit=1.5, input_price=1, output_price=2)
    made = build_policies(scenario, seed=0)["hunter"]
    assert isinstance(made, APIPolicy)
    assert made.meter.record()["model"] == "big"
    assert validate_scenario(scenario.model_dump(mode="json")) == scenario


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"learn": True}, r"policies\.hunter\.learn: an API model cannot be trained"),
        ({"base_url": "localhost:8000"}, r"policies\.hunter\.base_url: give http"),
        ({"base_url": "http://me:secret@host/v1"}, r"policies\.hunter\.base_url: .*without a name or a password"),
        ({"cost_limit": 5}, r"policies\.hunter: cost_limit needs input_price and output_price"),
        ({"extra": {"model": "other"}}, r"policies\.hunter\.extra: \['model'\] cannot stand here"),
        ({"retrys": 3}, r"policies\.hunter\.retrys: unknown key; did you mean 'retries'"),
        ({"temperature": -1}, r"policies\.hunter\.temperature: .*given: -1"),
    ],
)
def test_what_a_scenario_may_not_say(settings, fault):
    with pytest.raises(ScenarioError, match=fault):
        hunt("http://127.0.0.1:9/v1", **settings)


def test_a_key_in_the_place_of_its_name_is_refused_and_not_repeated():
    with pytest.raises(ScenarioError, match="NAME of the environment variable") as caught:
        hunt("http://127.0.0.1:9/v1", api_key_env="sk-secret")
    assert "sk-secret" not in str(caught.value)


def test_a_convention_over_the_wire_earns_the_optimum():
    with serving(teller) as server:
        episodes, meter = played(hunt(server.url), episodes=12)
    assert {episode.mean_return for episode in episodes} == {10.0}
    assert len({episode.situation for episode in episodes}) > 1
    assert meter.requests == sum(len(episode.turns) for episode in episodes)
    assert meter.failures == 0


def test_the_same_seed_gives_the_same_transcript():
    with serving(legal) as server:
        first, _ = played(hunt(server.url, concurrency=8))
        second, _ = played(hunt(server.url, concurrency=2))
        other, _ = played(hunt(server.url), seed=1)
    assert texts(first) == texts(second)
    assert texts(first) != texts(other)


@pytest.mark.parametrize("rule", ["default", "retry", "forfeit"])
@pytest.mark.parametrize("last", [1, 5])
def test_a_server_that_dies_in_mid_episode_leaves_a_record_of_failures(rule, last, tmp_path):
    """Four episodes: eight talk turns at once, then eight choices; the first `last` of them are answered."""

    def script(request):
        return legal(request) if request.number < last else Answer(how="die")

    with serving(script) as server:
        scenario = hunt(server.url, f"on_parse_failure={rule}", concurrency=1, retries=0)
        episodes, meter = played(scenario)
    outcomes = {episode.outcome for episode in episodes}
    assert outcomes == ({"failed"} if rule == "forfeit" else {"terminated"})
    turns = [turn for episode in episodes for turn in episode.turns]
    failed = [turn for turn in turns if turn.failure is not None]
    assert len(turns) - len(failed) == last
    assert all("connection failed" in turn.failure.reason and turn.text == "" for turn in failed)
    assert meter.failures == len(failed) * (3 if rule == "retry" else 1)
    for episode in episodes:
        said = {turn.agent for turn in episode.turns if turn.phase == "talk" and turn.failure is None}
        assert {message.sender for message in episode.messages} <= said
    if rule == "forfeit":
        assert all("forfeits: connection failed" in episode.error for episode in episodes)
    run = RunDirectory.create(tmp_path / "run", scenario)
    run.write_episodes("normal", episodes)
    assert texts(run.episodes("normal")) == texts(episodes)
    assert [t.failure for e in run.episodes("normal") for t in e.turns] == [turn.failure for turn in turns]


def test_a_refused_key_ends_the_run(monkeypatch):
    monkeypatch.setenv("PARLEY_TEST_KEY", "secret-key-123")
    with serving(Answer("no", status=401)) as server, pytest.raises(ModelError, match="the key in PARLEY_TEST_KEY"):
        played(hunt(server.url, api_key_env="PARLEY_TEST_KEY"))


def test_no_key_in_a_run_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("PARLEY_TEST_KEY", "secret-key-123")

    def echo(request):
        return Answer(f"who sends {request.headers['authorization']}?", status=500)

    with serving(echo) as server:
        scenario = hunt(server.url, api_key_env="PARLEY_TEST_KEY", retries=0)
        episodes, meter = played(scenario, episodes=1)
    run = RunDirectory.create(tmp_path / "run", scenario)
    run.write_episodes("normal", episodes)
    run.write_json("api.json", meter.record())
    assert "who sends Bearer ***?" in episodes[0].turns[0].failure.reason
    assert "PARLEY_TEST_KEY" in dump_scenario(scenario)
    assert not [path for path in run.path.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


@pytest.fixture(scope="module")
def real_server(tmp_path_factory):
    """(url, model name) of `transformers serve` with the nano model and a chat template: the prompt as it is."""
    folder = tmp_path_factory.mktemp("served") / "nano"
    shutil.copytree(NANO, folder)
    for name, more in (
        ("tokenizer_config.json", {"chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}"}),
        ("generation_config.json", {"do_sample": True}),
    ):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | more))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", folder, "--host", "127.0.0.1"]
    with (
        (folder.parent / "log").open("wb") as log,
        subprocess.Popen(
            [*map(str, command), "--port", str(port), "--device", "cpu"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        ) as process,
    ):
        try:
            _wait_for(process, f"http://127.0.0.1:{port}/health", folder.parent / "log")
            yield f"http://127.0.0.1:{port}/v1", str(folder)
        finally:
            process.send_signal(signal.SIGKILL)


def _wait_for(process, url, log):
    for _ in range(1200):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the server does not start: {log.read_text()}")


def served(real_server, **settings):
    """The nano model ends its line and goes on with the next; a chat model would stop by itself."""
    url, name = real_server
    return hunt(url, model=name, **{"concurrency": 1, "extra": {"stop": ["\n"]}} | settings)


def test_a_real_server_plays(real_server):
    scenario = served(real_server, temperature=0.3)
    episodes, meter = played(scenario, episodes=6)
    turns = [turn for episode in episodes for turn in episode.turns]
    assert {episode.outcome for episode in episodes} == {"terminated"}
    assert not [turn.failure for turn in turns if turn.phase == "talk" and turn.failure]
    chosen = [turn for turn in turns if turn.phase == "act" and turn.failure is None]
    assert len(chosen) >= 6, "nano names an option in nearly all of its twelve choices"
    assert all(turn.text == turn.options[turn.choice] for turn in chosen)
    assert any(message.text for episode in episodes for message in episode.messages)
    tokenizer = Tokenizer.from_file(str(NANO / "tokenizer.json"))
    prompts = sum(len(tokenizer.encode(turn.prompt, add_special_tokens=False).ids) for turn in turns)
    assert meter.prompt_tokens == prompts
    assert meter.requests == len(turns)
    assert (meter.failures, meter.retries, meter.unmetered) == (0, 0, 0)
    again, _ = played(scenario, episodes=6)
    assert texts(again) == texts(episodes)


def test_a_real_server_without_log_probabilities(real_server, caplog):
    episodes, _ = played(served(real_server, logprobs=True, concurrency=4), episodes=2)
    assert all(turn.log_probs == () for episode in episodes for turn in episode.turns)
    assert [record.message for record in caplog.records if "log-probabilities" in record.message] == [
        f"policy 'hunter': {real_server[0]} sends no usable log-probabilities for model {real_server[1]!r}, "
        "so its turns have none; set logprobs: false to ask for none"
    ]


def test_a_real_server_that_refuses_a_request(real_server):
    episodes, meter = played(served(real_server, extra={"no_such_field": 1}), episodes=1)
    reasons = {turn.failure.reason for turn in episodes[0].turns}
    assert len(reasons) == 1
    assert re.search(r"HTTP 422: .*no_such_field.*\(after 1 try\)", reasons.pop())
    assert meter.failures == len(episodes[0].turns)


@pytest.mark.slow
def test_ray_actors_play_the_same_episodes():
    from marl.learning.sampling import sampler

    with serving(legal) as server:
        scenario = hunt(server.url)
        policies = build_policies(scenario, seed=0)
        here = play(scenario, policies, range(40), seed=0, group=32)
        with sampler(2) as there:
            assert texts(there(scenario, policies, range(40), seed=0)) == texts(here)
