"""The smallest local Ray, started only where something really runs in another process."""

from __future__ import annotations

import logging
import os

import ray


def ensure_ray(actors: int) -> None:
    """Start a quiet local Ray with room for `actors` Ray actors and more, or join the cluster at RAY_ADDRESS.

    A local Ray's CPUs are logical and only gate scheduling: were there no more than `actors`, a second group made
    while the first is still open would wait for ever.

    Nothing happens where this process has a Ray already. A Ray of another process on this machine is never joined:
    it ends when that process does.
    """
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    local = {"address": "local", "num_cpus": max(16, 4 * actors), "include_dashboard": False}
    ray.init(
        **({} if os.environ.get("RAY_ADDRESS") else local),
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=False,
        runtime_env={"env_vars": {"OMP_NUM_THREADS": "1"}},
    )
