from __future__ import annotations

import pytest

from marl.learning.cluster import ensure_ray


def test_a_running_ray_is_kept(ray_of_two: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    assert ray.is_initialized()
    assert ray.cluster_resources()["CPU"] >= 4, "room for a second group of two while the first is open"
    monkeypatch.setattr(ray, "init", None)
    ensure_ray(5)


@pytest.mark.parametrize(("address", "expected"), [("", "local"), ("10.0.0.1:6379", None)])
def test_only_a_cluster_that_was_named_is_joined(
    monkeypatch: pytest.MonkeyPatch, address: str, expected: str | None
) -> None:
    import ray

    given: dict[str, object] = {}
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **arguments: given.update(arguments))
    monkeypatch.setenv("RAY_ADDRESS", address)
    ensure_ray(3)
    assert given.get("address") == expected
    assert given.get("num_cpus") == (16 if expected else None)
