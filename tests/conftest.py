"""Tests never ask a hub: what they load, they make or find in the package. Set before transformers is imported.

One torch thread a process: the networks are tiny, and `make test` runs two processes. With pytest-xdist a file stays in
one process, for the sake of what its tests share, and all files that start a Ray go to the same one.
"""

import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["COLUMNS"] = "200"  # tables are wide wherever the console is first made
os.environ.setdefault("OMP_NUM_THREADS", "1")

STARTS_RAY = {
    "policies/test_api.py",
    "test_experiment.py",
    *(f"learning/test_{name}.py" for name in ("cluster", "dispatch", "learners", "league", "network_training")),
    *(f"learning/test_{name}.py" for name in ("policy_runner", "q_learner", "runner", "sampling", "search")),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        file = item.path.relative_to(Path(__file__).parent).as_posix()
        item.add_marker(pytest.mark.xdist_group("ray" if file in STARTS_RAY else file))
