import time

import pytest
from child_tasks import count_up, forget, give_up, hang, swallow

from marl.errors import SolverError
from marl.games.limits import Child, Deadline


def test_a_deadline_counts_down_and_says_what_took_too_long() -> None:
    deadline = Deadline(60)
    assert 59 < deadline.left <= 60
    assert not deadline.passed
    deadline.check("this")
    short = Deadline(1e-6)
    time.sleep(0.001)
    assert short.passed
    assert short.left > 0
    with pytest.raises(SolverError, match=r"the search took longer than 1e-06 s; raise"):
        short.check("the search")


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 1e30])
def test_a_limit_must_be_positive(seconds: float) -> None:
    with pytest.raises(SolverError, match="must be positive and at most 1,000,000 seconds"):
        Deadline(seconds)


def test_a_child_sends_values_as_they_come() -> None:
    with Child(count_up, 3) as child:
        assert [child.receive(30) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(SolverError, match=r"count_up ended \(exit code 0\)"):
            child.receive(30)


def test_a_child_that_hangs_is_killed() -> None:
    with Child(hang) as child:
        assert child.receive(30) == "started"
        with pytest.raises(SolverError, match=r"stopped after 0.05 s"):
            child.receive(0.05)
        process = child._process
    assert process.returncode == -9


def test_a_child_that_eats_memory_is_stopped_by_its_limit() -> None:
    with Child(swallow, 4096, megabytes=1024) as child, pytest.raises(SolverError, match="more than 1024 MB"):
        child.receive(60)


def test_a_childs_own_error_comes_back_and_a_dead_one_is_noticed() -> None:
    with Child(give_up) as child, pytest.raises(SolverError, match="no such game"):
        child.receive(30)
    with Child(forget) as child, pytest.raises(SolverError, match="exit code 3"):
        child.receive(30)
