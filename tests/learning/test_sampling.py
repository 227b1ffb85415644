from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from marl.learning.policy_runner import PolicyRunners
from marl.learning.sampling import sampler
from marl.policies import build_policies
from marl.rollout import play
from marl.settings import Scenario


def test_none_plays_here(make_scenario: Callable[..., Scenario]) -> None:
    scenario = make_scenario()
    policies = build_policies(scenario, seed=0)
    with sampler(0) as play_with:
        episodes = play_with(scenario, policies, range(3), seed=2)
    assert [episode.returns for episode in episodes] == [e.returns for e in play(scenario, policies, range(3), seed=2)]


def test_none_does_not_even_import_ray() -> None:
    code = (
        "import sys; from marl.learning.sampling import sampler; sampler(0).__enter__(); sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_actors_are_stopped_when_the_block_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[object] = []
    monkeypatch.setattr(PolicyRunners, "__init__", lambda self, number: events.append(number))
    monkeypatch.setattr(PolicyRunners, "close", lambda self: events.append("closed"))

    def broken_off() -> None:
        with sampler(2) as play_with:
            events.append(play_with.__name__)  # type: ignore[attr-defined]
            raise RuntimeError("broken off")

    with pytest.raises(RuntimeError, match="broken off"):
        broken_off()
    assert events == [2, "play", "closed"]
