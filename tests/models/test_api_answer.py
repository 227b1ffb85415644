import json

import pytest
from api_server import chat

from marl.models.api_answer import Fault, Reply, excerpt, read_body, read_error, retry_after
from marl.models.api_meter import Usage


def test_a_reply_with_all_that_a_server_may_say():
    details = {"reasoning_tokens": 40, "audio_tokens": 0}
    usage = {"prompt_tokens": 12, "completion_tokens": 43, "completion_tokens_details": details}
    log_probs = {"content": [{"token": "north", "logprob": -0.5, "top_logprobs": []}, {"token": "", "logprob": 1e-9}]}
    reply = read_body(chat(" north\n", usage=usage, logprobs=log_probs).body)
    assert reply == Reply(" north\n", (-0.5, 0.0), Usage(12, 43, 40))


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": 3}, "many", {"total": 3}])
def test_usage_that_cannot_be_read_leaves_the_reply(usage):
    assert read_body(chat("north", usage=usage).body) == Reply("north", (), None)


@pytest.mark.parametrize("log_probs", [None, {}, {"content": None}, {"content": [{"logprob": float("-inf")}]}, [-1.0]])
def test_log_probabilities_that_cannot_be_used_leave_the_reply(log_probs):
    assert read_body(chat("north", logprobs=log_probs).body) == Reply("north", (), Usage(10, 3))


def test_the_thinking_part_of_a_content_in_parts_is_left_out():
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "north"}]
    assert read_body(chat(None, message={"content": parts}).body).text == "north"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "unparsable body (Invalid JSON"),
        ("<html>Bad gateway</html>", "'<html>Bad gateway</html>'"),
        ('{"choices": [', "unparsable body (Invalid JSON"),
        ("[]", "unparsable body"),
        ('{"error": {"message": "overloaded"}}', '(choices: Field required): \'{"error": {"message": "overloaded'),
        ('{"choices": null}', "choices: Input should be a valid"),
        ('{"choices": [{}]}', "choices.0.message: Field required"),
        ('{"choices": [{"message": {"content": 7}}]}', "choices.0.message.content"),
        ('{"choices": []}', "empty choices"),
    ],
)
def test_a_body_that_is_no_answer_is_a_fault_that_may_pass(body, reason):
    fault = read_body(body)
    assert isinstance(fault, Fault)
    assert reason in fault.reason
    assert fault.again
    assert not fault.fatal
    assert not fault.free  # the server may have done its work


@pytest.mark.parametrize("content", [None, "", "  \n"])
def test_an_empty_content_is_a_fault_and_costs_its_tokens(content):
    fault = read_body(chat(content).body)
    assert fault.reason == "empty content (finish_reason: stop)"
    assert not fault.again
    assert fault.usage == Usage(10, 3)


def test_why_a_content_is_empty():
    assert "set thinking_tokens" in read_body(chat("", finish_reason="length").body).reason
    refused = read_body(chat(None, message={"refusal": "I cannot\nhelp with hunting"}).body)
    assert refused.reason == "the model refused: 'I cannot help with hunting'"


@pytest.mark.parametrize(
    ("status", "again", "fatal"),
    [
        (400, False, False),
        (401, False, True),
        (402, False, True),
        (403, False, True),
        (404, False, True),
        (408, True, False),
        (413, False, False),
        (422, False, False),
        (429, True, False),
        (500, True, False),
        (503, True, False),
        (529, True, False),
    ],
)
def test_which_statuses_are_worth_another_try(status, again, fatal):
    fault = read_error(status, {}, "so sorry")
    assert (fault.again, fault.fatal, fault.free, fault.status) == (again, fatal, True, status)
    assert fault.reason == f"HTTP {status}: 'so sorry'"


def test_an_account_without_money_is_no_rate_limit():
    error = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    assert read_error(429, {"retry-after": "1"}, json.dumps(error)).fatal


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 60.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:00:00 GMT"}, 0.0),
    ],
)
def test_how_long_a_server_asks_to_wait(headers, seconds):
    # 1792567620 is Wed, 21 Oct 2026 07:27:00 UTC (`date -u -d @1792567620`).
    assert retry_after(headers, now=1792567620.0) == seconds


def test_an_excerpt_is_one_short_line():
    assert excerpt(" a\n b ") == "'a b'"
    assert len(excerpt("long " * 1000)) < 210
