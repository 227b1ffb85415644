"""Tests never ask a hub: what they load, they make or find in the package. Set before transformers is imported.

One torch thread a process: the networks are tiny, and `make test` runs two processes. With pytest-xdist a file stays in
one process, for the sake of what its tests share, and all files that start a Ray go to the same one.
"""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file a process for `--dist loadgroup`. No marks: with pytest 9.2 pytest-xdist 3.8 no longer sees any group."""
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0].removeprefix("tests/")
            return "ray" if file in STARTS_RAY else file

    return ByFile(config, log)


@pytest.fixture
def room() -> Callable[[int], AbstractContextManager[None]]:
    """Within `room(bytes)` no file of this process can grow beyond so many bytes: the system refuses, as a full disk
    does.
    """

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited
