from __future__ import annotations

import pytest

from marl.learning.cluster import ensure_ray


def test_a_running_ray_is_kept(ray_of_two: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    assert ray.is_initialized()
    assert ray.cluster_resources()["CPU"] == 2
    monkeypatch.setattr(ray, "init", None)
    ensure_ray(5)
