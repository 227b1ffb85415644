"""The smallest local Ray, started only where something really runs in another process."""

from __future__ import annotations

import logging
import os

import ray


def ensure_ray(actors: int) -> None:
    """Start a quiet local Ray with a CPU for each of `actors` Ray actors, unless one runs already."""
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    ray.init(
        num_cpus=max(actors, 1),
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=False,
        runtime_env={"env_vars": {"OMP_NUM_THREADS": "1"}},
    )
