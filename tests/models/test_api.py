import asyncio
import gc
import json
import logging
import multiprocessing
import pickle
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from api_server import Answer, chat, legal, serving

from marl.errors import ModelError
from marl.models.api import ChatModel, Question
from marl.models.api_answer import Fault, Reply
from marl.settings import APISettings

QUICK = {"timeout_s": 5.0, "backoff_s": 0.01, "retries": 2}


def model(server, **settings):
    url = server if isinstance(server, str) else server.url
    return ChatModel("tutor", APISettings(kind="api", model="tiny", base_url=url, **QUICK | settings))


def questions(count, prompt="Choose: a, b\nAnswer:"):
    return [Question(f"{number}. {prompt}", 8, seed=number) for number in range(count)]


def ask(asked, prompt="hello"):
    [answer] = asked.ask([Question(prompt, 8, seed=3)])
    return answer


def error(status, text="sorry", **headers):
    return Answer(json.dumps({"error": {"message": text}}), status, headers)


def test_what_is_sent():
    with serving(chat("north")) as server:
        assert ask(model(server, temperature=0.5, extra={"top_p": 0.9, "stop": ["\n"]})).text == "north"
        ask(model(server, system="Be brief.", temperature=None, send_seed=False, logprobs=True))
        ask(model(server, token_limit="max_completion_tokens", thinking_tokens=100))
    bodies = [request.body for request in server.requests]
    user = {"role": "user", "content": "hello"}
    assert bodies[0] == {
        "model": "tiny",
        "messages": [user],
        "max_tokens": 8,
        "temperature": 0.5,
        "seed": 3,
        "top_p": 0.9,
        "stop": ["\n"],
    }
    system = {"role": "system", "content": "Be brief."}
    assert bodies[1] == {"model": "tiny", "messages": [system, user], "max_tokens": 8, "logprobs": True}
    assert bodies[2]["max_completion_tokens"] == 108
    assert "max_tokens" not in bodies[2]


def test_answers_come_in_order_and_at_the_same_time():
    def script(request):
        time.sleep(0.05 if request.prompt.startswith("0") else 0.02)
        return chat(request.prompt.split(".")[0])

    with serving(script) as server:
        asked = model(server, concurrency=3)
        assert [answer.text for answer in asked.ask(questions(12))] == [str(number) for number in range(12)]
        assert server.most_at_once == 3
        assert [answer.text for answer in model(server, concurrency=1).ask(questions(3))] == ["0", "1", "2"]
    assert model("http://127.0.0.1:9/v1").ask([]) == []


def test_one_batch_may_hold_replies_and_faults():
    def script(request):
        return chat("fine") if request.prompt.startswith("1") else error(400, "prompt is too long")

    with serving(script) as server:
        asked = model(server)
        first, second, third = asked.ask(questions(3))
    assert isinstance(second, Reply)
    assert first.reason == third.reason
    assert first.reason.startswith("HTTP 400:")
    assert first.reason.endswith("(after 1 try)")
    assert "prompt is too long" in first.reason
    assert (asked.meter.requests, asked.meter.failures, asked.meter.retries) == (3, 2, 0)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (error(500, "out of order"), r"HTTP 500: .*out of order.*\(after 3 tries\)"),
        (error(429, **{"retry-after-ms": "5"}), r"HTTP 429: .*\(after 3 tries\)"),
        (Answer("<html>Hello</html>", headers={"content-type": "text/html"}), r"unparsable body .*<html>.*after 3"),
        (Answer('{"choices": [{"mess'), r"unparsable body \(Invalid JSON.*\(after 3 tries\)"),
        (Answer('{"choices": []}'), r"empty choices.*\(after 3 tries\)"),
        (Answer("north " * 100, how="drop"), r"connection failed \(RemoteProtocolError: .*\(after 3 tries\)"),
        (
            Answer("no gzip", headers={"content-encoding": "gzip"}),
            r"connection failed \(DecodingError: .*\(after 3 tries\)",
        ),
        (chat(""), r"empty content \(finish_reason: stop\) \(after 1 try\)"),
        (error(422, "unknown field seed"), r"HTTP 422: .*unknown field seed.*\(after 1 try\)"),
    ],
)
def test_each_way_to_fail_is_named(bad, reason):
    with serving(bad) as server:
        asked = model(server)
        fault = ask(asked)
        assert isinstance(fault, Fault)
        assert re.search(reason, fault.reason), fault.reason
        assert asked.meter.failures == 1
        assert asked.meter.requests == asked.meter.retries + 1 == len(server.requests)


@pytest.mark.parametrize("bad", [Answer("x", how="hang"), Answer(chat("north").body, how="drip")])
def test_a_server_that_never_comes_to_an_end(bad):
    """A dripping server sends a byte every 0.05 s, 10 s in all: each of them in time, the whole never."""
    with serving(bad) as server:
        asked = model(server, timeout_s=0.3, retries=1)
        assert ask(asked).reason == "timeout: no whole answer within 0.3 s (after 2 tries)"
        assert len(server.requests) == 2
    assert asked.meter.unmetered == 2


def test_nobody_listens():
    with serving(chat("x")) as server:
        pass
    asked = model(server, input_price=1.0, output_price=1.0)
    assert "connection failed (ConnectError" in ask(asked).reason
    assert asked.meter.open_cost == 0.0  # nothing was asked, so nothing can be charged


def test_a_fault_that_passes_leaves_a_reply():
    with serving([error(503), Answer("garbage"), chat("north")]) as server:
        asked = model(server)
        assert ask(asked).text == "north"
        assert len({json.dumps(request.body) for request in server.requests}) == 1, "the same question, the same seed"
    assert (asked.meter.requests, asked.meter.retries, asked.meter.failures) == (3, 2, 0)


def test_retry_after_is_kept():
    with serving([error(429, **{"retry-after": "1"}), chat("north")]) as server:
        assert ask(model(server)).text == "north"
        first, second = server.requests
        assert second.arrived - first.arrived >= 1.0


def test_a_wait_that_is_too_long_ends_the_tries():
    with serving(error(429, **{"retry-after": "3600"})) as server:
        fault = ask(model(server, longest_wait_s=30))
        assert len(server.requests) == 1
    assert fault.reason.endswith("; it asks to wait 3600 s, more than longest_wait_s=30 (after 1 try)")


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_what_cannot_get_better_ends_it_all(status, monkeypatch):
    monkeypatch.setenv("PARLEY_TEST_KEY", "secret-key-123")
    with serving(
        lambda request: error(status, "no, secret-key-123") if "2." in request.prompt else chat("x")
    ) as server:
        with pytest.raises(ModelError) as caught:
            model(server, api_key_env="PARLEY_TEST_KEY", concurrency=1).ask(questions(50))
        assert len(server.requests) == 3, "the other questions are not asked any more"
    text = str(caught.value)
    assert f"HTTP {status}" in text
    assert "the key in PARLEY_TEST_KEY" in text
    assert "no, ***" in text
    assert "secret" not in text


def test_the_key_is_sent_and_kept_nowhere(monkeypatch):
    monkeypatch.setenv("PARLEY_TEST_KEY", " secret-key-123\n")
    monkeypatch.setenv("OPENAI_API_KEY", "other-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-mine")

    def script(request):
        return chat(f"you said {request.headers['authorization']}")

    with serving(script) as server:
        asked = model(server, api_key_env="PARLEY_TEST_KEY")
        assert ask(asked).text == "you said Bearer ***"
        ask(model(server))
        with_key, without = (request.headers for request in server.requests)
    assert with_key["authorization"] == "Bearer secret-key-123"
    assert "secret" not in str(without), "no key is sent unless the scenario names one"
    assert "openai-organization" not in with_key
    assert b"secret" not in pickle.dumps(asked)
    assert "secret" not in repr(vars(asked))


@pytest.mark.parametrize(
    ("value", "why"), [(None, "is not set or empty"), (" ", "is not set or empty"), ("käy", "cha")]
)
def test_a_key_that_is_missing_or_broken(value, why, monkeypatch):
    monkeypatch.delenv("PARLEY_TEST_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("PARLEY_TEST_KEY", value)
    with pytest.raises(ModelError, match=f"'tutor'.*PARLEY_TEST_KEY.*{why}"):
        model("http://127.0.0.1:9/v1", api_key_env="PARLEY_TEST_KEY")


def test_without_the_package_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ModelError, match=r"pip install 'parley-marl\[api\]'"):
        model("http://127.0.0.1:9/v1")


def test_the_package_is_loaded_by_the_first_question_only():
    code = (
        "import sys, marl, marl.settings, marl.models.api as api;"
        "api.ChatModel('x', marl.settings.APISettings(kind='api', model='m'));"
        "print({name.split('.')[0] for name in sys.modules} & {'openai', 'httpx', 'httpx2', 'torch'} or 'light')"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "light\n"


def test_a_pickled_copy_asks_for_itself_and_minds_what_was_spent():
    with serving(legal) as server:
        asked = model(server, input_price=1e5, output_price=1e5, cost_limit=100.0)
        first = asked.ask(questions(4))
        copy = pickle.loads(pickle.dumps(asked))
        assert copy.ask(questions(4)) == first
        assert copy.meter.requests == asked.meter.requests == 4
        assert copy.meter.spent == pytest.approx(2 * asked.meter.cost)


def test_the_meter_counts_what_the_server_reports():
    with serving(chat("x", prompt_tokens=100, completion_tokens=7)) as server:
        asked = model(server, input_price=2.0, output_price=10.0)
        asked.ask(questions(5))
    record = asked.meter.record()
    assert (record["requests"], record["prompt_tokens"], record["completion_tokens"]) == (5, 500, 35)
    assert record["cost"] == pytest.approx(5 * (100 * 2 + 7 * 10) / 1e6)
    assert record["seconds"] > 0


@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_cost_limit_holds_before_the_call_that_could_pass_it(concurrency):
    """At a price of 1 a token a request costs 20, and at most 24 bytes + 64 + 8 tokens = 96: after 25 requests, 500 of
    590 are spent and 90 left. Requests at the same time wait for each other near the limit, so it is 25 here too."""
    with serving(chat("x", prompt_tokens=15, completion_tokens=5)) as server:
        prices = {"input_price": 1e6, "output_price": 1e6, "cost_limit": 590.0}
        asked = model(server, concurrency=concurrency, **prices)
        with pytest.raises(
            ModelError, match=r"the next call may cost up to 96\.0.* 500\.0.* of cost_limit=590 is spent"
        ):
            asked.ask([Question("x" * 24, 8, 0)] * 60)
        assert len(server.requests) == 25
        with pytest.raises(ModelError, match="cost_limit"):
            ask(asked, "x" * 24)
        assert len(server.requests) == 25
    assert asked.meter.cost == 500.0


def test_log_probabilities_are_asked_for_and_kept():
    log_probs = {"content": [{"token": "nor", "logprob": -0.25}, {"token": "th", "logprob": -0.5}]}
    with serving(chat("north", logprobs=log_probs)) as server:
        assert ask(model(server, logprobs=True)).log_probs == (-0.25, -0.5)
        assert server.requests[0].body["logprobs"] is True


def test_a_server_without_log_probabilities_is_named_once(caplog):
    with serving(chat("north")) as server, caplog.at_level(logging.WARNING):
        asked = model(server, logprobs=True)
        assert [answer.log_probs for answer in asked.ask(questions(5)) + asked.ask(questions(5))] == [()] * 10
    assert [record.message for record in caplog.records] == [
        f"policy 'tutor': {server.url} sends no usable log-probabilities for model 'tiny', so its turns have none; "
        "set logprobs: false to ask for none"
    ]


def test_a_server_that_refuses_to_be_asked_for_them_is_asked_without(caplog):
    def script(request):
        return error(400, "logprobs is not supported") if "logprobs" in request.body else chat("north")

    with serving(script) as server, caplog.at_level(logging.WARNING):
        asked = model(server, logprobs=True)
        assert {answer.text for answer in asked.ask(questions(6))} == {"north"}
        before = len(server.requests)
        assert ask(asked).text == "north"
        assert len(server.requests) == before + 1
    assert len(caplog.records) == 1


def test_requests_a_minute_are_kept_within_the_limit():
    with serving(chat("x")) as server:
        asked = model(server, requests_per_minute=3)
        waiting = threading.Thread(target=lambda: asked.ask(questions(5)), daemon=True)
        waiting.start()
        while len(server.requests) < 3:
            time.sleep(0.01)
        waiting.join(0.3)
        assert waiting.is_alive(), "two questions wait for the next minute"
        assert len(server.requests) == 3


def test_it_answers_inside_of_a_running_event_loop():
    async def notebook():
        return ask(asked).text

    with serving(chat("north")) as server:
        asked = model(server)
        assert [asyncio.run(notebook()), asyncio.run(notebook())] == ["north", "north"]


def test_a_forked_process_makes_its_own_connection():
    with serving(chat("north")) as server:
        asked = model(server)
        ask(asked)
        child = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(ask(asked).text != "north"))
        child.start()
        child.join(20)
        assert child.exitcode == 0
        assert len(server.requests) == 2


def test_ctrl_c_ends_the_wait():
    code = (
        # A shell starts background work with interrupts ignored.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from marl.models.api import *;"
        "asked = ChatModel('x', APISettings(kind='api', model='m', base_url=sys.argv[1]));"
        "asked.ask([Question('hello', 8, 0)] * 20)"
    )
    with serving(Answer(how="hang")) as server:
        arguments = [sys.executable, "-c", code, server.url]
        with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
            while len(server.requests) < 8:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, printed = process.communicate(timeout=20)
        assert not server.stopped.is_set()
    assert printed.rstrip().endswith("KeyboardInterrupt")
    assert len(server.requests) == 8


def test_it_says_what_it_came_to_in_the_end(caplog):
    with serving(chat("x")) as server, caplog.at_level(logging.INFO, logger="marl.models.api"):
        asked = model(server)
        ask(asked)
        expected = asked.meter.summary()
        del asked
        gc.collect()
    assert expected in [record.message for record in caplog.records]
