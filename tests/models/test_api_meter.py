import pytest

from marl.errors import ModelError
from marl.models.api_meter import COUNTS, Meter, Usage
from marl.settings import APISettings


def meter(**settings):
    return Meter("tutor", APISettings(kind="api", model="tiny", **settings))


def priced(**more):
    return meter(input_price=2.0, output_price=8.0, **more)


def test_cost_is_tokens_times_the_price_of_a_million():
    counts = priced()
    assert counts.price(1_000_000, 0) == 2.0
    assert counts.price(500, 250) == pytest.approx(0.003)
    assert meter().price(10**9, 10**9) == 0.0
    assert not meter().priced
    assert not meter(input_price=1.0).priced


def test_requests_are_booked():
    counts = priced()
    for seconds, usage in ((1.5, Usage(100, 20)), (0.5, Usage(300, 30, hidden_tokens=25))):
        counts.reserve(0.5)
        counts.settle(0.5, seconds, usage)
    record = counts.record()
    assert record["requests"] == 2
    assert (record["prompt_tokens"], record["completion_tokens"], record["seconds"]) == (400, 50, 2.0)
    assert record["cost"] == pytest.approx((400 * 2 + 50 * 8) / 1e6)
    assert (record["unmetered"], record["open_cost"]) == (0, 0.0)
    assert (record["policy"], record["model"]) == ("tutor", "tiny")


def test_what_was_counted_since_a_record():
    counts = priced()
    counts.settle(0.0, 1.0, Usage(100, 20))
    before = counts.record()
    assert not any(counts.since(before)[name] for name in COUNTS)
    counts.settle(0.0, 0.5, Usage(7, 3))
    since = counts.since(before)
    assert (since["requests"], since["prompt_tokens"], since["seconds"]) == (1, 7, 0.5)
    other = priced()
    for record in (before, since):
        other.add(record)
    assert other.record() == counts.record()


def test_a_request_without_a_report_may_have_cost_all_that_was_set_aside():
    counts = priced(cost_limit=1.0)
    counts.reserve(0.7)
    counts.settle(0.7, 60.0, None)
    assert (counts.cost, counts.open_cost, counts.unmetered) == (0.0, 0.7, 1)
    assert not counts.fits(0.4)
    counts.reserve(0.2)
    counts.settle(0.2, 0.1, None, free=True)
    assert (counts.open_cost, counts.unmetered, counts.requests) == (0.7, 1, 2)
    assert counts.fits(0.3)


def test_what_is_under_way_counts_towards_the_limit():
    counts = priced(cost_limit=1.0)
    counts.reserve(0.6)
    assert not counts.fits(0.5)
    with pytest.raises(ModelError, match=r"'tutor'.*up to 0\.5.*cost_limit=1 .*raise cost_limit"):
        counts.reserve(0.5)
    counts.settle(0.6, 1.0, Usage(10, 0))
    counts.reserve(0.5)
    assert counts.under_way == 1


def test_what_was_spent_earlier_counts_towards_the_limit_and_is_not_counted_again():
    settings = APISettings(kind="api", model="tiny", input_price=1.0, output_price=1.0, cost_limit=1.0)
    later = Meter("tutor", settings, earlier=0.9)
    assert not later.fits(0.2)
    assert later.fits(0.1)
    assert later.record()["cost"] == 0.0


def test_records_of_other_processes_add_up():
    here, there = priced(), priced()
    for counts in (here, there):
        counts.reserve(0.1)
        counts.settle(0.1, 1.0, Usage(10, 5))
        counts.retries += 1
    there.failures += 2
    here.add(there.record())
    assert (here.requests, here.retries, here.failures, here.prompt_tokens) == (2, 2, 2, 20)
    assert here.cost == pytest.approx(2 * (10 * 2 + 5 * 8) / 1e6)


def test_the_summary_says_it_in_words():
    counts = priced(cost_limit=5.0)
    assert counts.summary() == (
        "tutor (tiny): 0 requests in 0.0 s, 0 retries, 0 failed calls; 0 prompt and 0 completion tokens; "
        "cost 0.0000 (limit 5)."
    )
    counts.reserve(1.0)
    counts.settle(1.0, 2.0, Usage(1_234_000, 1_000))
    counts.reserve(0.25)
    counts.settle(0.25, 1.0, None)
    counts.retries = counts.failures = 1
    assert counts.summary() == (
        "tutor (tiny): 2 requests in 3.0 s, 1 retry, 1 failed call; 1,234,000 prompt and 1,000 completion tokens; "
        "cost 2.4760 (limit 5). The server reported no tokens for 1 request, which may have cost up to 0.2500 more."
    )
    assert "cost" not in meter().summary()
