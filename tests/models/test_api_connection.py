import threading

import pytest
from api_server import chat, serving

from marl.models.api_answer import Reply
from marl.models.api_connection import Connection, check_setup, read_key
from marl.settings import APISettings


def settings(url="http://127.0.0.1:9/v1", **more):
    return APISettings(kind="api", model="tiny", base_url=url, **more)


@pytest.fixture
def connection():
    made = Connection("tutor", settings(backoff_s=1.0, longest_wait_s=10.0))
    yield made
    made.close()


def test_work_is_done_in_a_thread_of_its_own(connection):
    async def where():
        return threading.current_thread()

    first, second = connection.run(where()), connection.run(where())
    assert first is second
    assert first is not threading.current_thread()
    assert first.daemon


def test_an_error_in_the_work_comes_out(connection):
    async def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        connection.run(fail())


def test_closing_ends_the_thread(connection):
    async def where():
        return threading.current_thread()

    thread = connection.run(where())
    connection.close()
    thread.join(5)
    assert not thread.is_alive()
    connection.close()


def test_waits_double_with_jitter_up_to_the_longest(connection):
    for tried, middle in ((1, 1.0), (2, 2.0), (3, 4.0)):
        waits = [connection.backoff(tried) for _ in range(200)]
        assert middle / 2 <= min(waits) < middle < max(waits) <= middle * 1.5
    assert connection.backoff(60) == 10.0


def test_one_request():
    with serving(chat("north")) as server:
        made = Connection("tutor", settings(server.url))
        answer = made.run(made.send({"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}))
        made.close()
    assert isinstance(answer, Reply)
    assert answer.text == "north"


def test_the_organization_is_told_to_its_own_server_only(monkeypatch):
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-mine")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-mine")
    with serving(chat("x")) as server:
        made = Connection("tutor", settings(server.url))
        made.run(made.send({"model": "tiny", "messages": []}))
        made.close()
        assert "of-mine" not in str(server.requests[0].headers)


def test_the_set_up_is_checked_before_anything_is_asked(monkeypatch):
    monkeypatch.setenv("PARLEY_TEST_KEY", "abc\n")
    check_setup("tutor", settings(api_key_env="PARLEY_TEST_KEY"))
    assert read_key("tutor", settings(api_key_env="PARLEY_TEST_KEY")) == "abc"
    assert read_key("tutor", settings()) == ""
