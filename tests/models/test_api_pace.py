import asyncio

import numpy as np
import pytest

from marl.models.api_pace import WINDOW_S, Pace


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds


def times(pace, clock, expected, pauses=None):
    """When each request is admitted, one after the other, `pauses` seconds apart."""

    async def run():
        moments = []
        for tokens, pause in zip(expected, pauses or [0.0] * len(expected), strict=True):
            clock.now += pause
            moments.append((await pace.admit(tokens)).time)
        return moments

    return asyncio.run(run())


def most_in_a_window(moments, amounts):
    """The largest sum of amounts in any 60 seconds, by brute force over windows that begin at a request.

    They end a microsecond early: sums of floating-point times may be off in the last place.
    """
    return max(
        sum(amount for other, amount in zip(moments, amounts, strict=True) if start <= other < start + WINDOW_S - 1e-6)
        for start in moments
    )


def test_without_limits_nobody_waits():
    clock = Clock()
    assert times(Pace(None, None, clock=clock, sleep=clock.sleep), clock, [10**6] * 50) == [0.0] * 50


def test_requests_a_minute():
    clock = Clock()
    assert times(Pace(3, None, clock=clock, sleep=clock.sleep), clock, [1] * 8) == [0, 0, 0, 60, 60, 60, 120, 120]


def test_tokens_a_minute():
    clock = Clock()
    moments = times(Pace(None, 100, clock=clock, sleep=clock.sleep), clock, [60, 40, 1, 99, 50], [0, 10, 0, 0, 0])
    assert moments == [0, 10, 60, 70, 130]


@pytest.mark.parametrize("seed", range(5))
def test_no_window_holds_more_than_the_limits_and_nobody_waits_in_vain(seed):
    rng = np.random.default_rng(seed)
    tokens, pauses = rng.integers(1, 40, 60).tolist(), (rng.exponential(6.0, 60)).tolist()
    clock = Clock()
    moments = times(Pace(7, 120, clock=clock, sleep=clock.sleep), clock, tokens, pauses)
    assert moments == sorted(moments)
    assert most_in_a_window(moments, [1] * 60) <= 7
    assert most_in_a_window(moments, tokens) <= 120
    for index, (moment, pause) in enumerate(zip(moments, pauses, strict=True)):
        arrivals = (moments[index - 1] if index else 0.0) + pause
        if moment > arrivals + 1e-6:  # it waited: a moment earlier, one of the limits was in the way
            recent = [i for i in range(index) if moments[i] > moment - WINDOW_S - 1e-6]
            assert len(recent) >= 7 or sum(tokens[i] for i in recent) + tokens[index] > 120


def test_a_request_over_the_limit_goes_alone():
    clock = Clock()
    assert times(Pace(None, 100, clock=clock, sleep=clock.sleep), clock, [30, 500, 30]) == [0, 60, 120]


def test_true_tokens_take_the_place_of_expected_ones():
    clock = Clock()

    async def run():
        pace = Pace(None, 100, clock=clock, sleep=clock.sleep)
        first = await pace.admit(90)
        first.tokens = 20
        return (await pace.admit(80)).time

    assert asyncio.run(run()) == 0.0


def test_first_come_first_served():
    clock = Clock()

    async def run():
        pace = Pace(1, None, clock=clock, sleep=clock.sleep)
        order = []

        async def one(name):
            await pace.admit(1)
            order.append(name)

        await asyncio.gather(*(one(name) for name in range(6)))
        return order

    assert asyncio.run(run()) == list(range(6))
    assert clock.now == 300.0
