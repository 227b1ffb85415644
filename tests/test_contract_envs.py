"""Every module in envs/ keeps PettingZoo's contract, bare and inside the channel, and Parley's own."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test
from pettingzoo.test.state_test import state_test
from pettingzoo.utils import parallel_to_aec

import envs
from marl.channel import TalkParallelEnv
from marl.testing import check_env

MODULES = sorted(module.name for module in pkgutil.iter_modules(envs.__path__))
CHANNELS = {
    "bare": None,
    "talk": {},
    "two rounds, vocabulary": {"talk_rounds": 2, "vocabulary": ["ba", "di"]},
    "nobody hears": {"topology": "none"},
    "off": {"intervention": "off"},
}


def maker(name, channel):
    make = importlib.import_module(f"envs.{name}").parallel_env
    settings = CHANNELS[channel]
    return make if settings is None else lambda: TalkParallelEnv(make(), **settings)


def test_there_are_envs():
    assert {"lewis", "scout_hunt", "stag_hunt"} <= set(MODULES)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("name", MODULES)
class TestPettingZoo:
    def test_parallel_api(self, name, channel):
        parallel_api_test(maker(name, channel)(), num_cycles=100)

    def test_seed(self, name, channel):
        parallel_seed_test(maker(name, channel), num_cycles=100)

    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_state(self, name, channel):
        make = maker(name, channel)
        state_test(parallel_to_aec(make()), make())


@pytest.mark.parametrize("name", MODULES)
def test_parley(name):
    check_env(maker(name, "bare"))


@pytest.mark.parametrize("name", MODULES)
def test_imports_are_the_allowed_ones(name):
    tree = ast.parse(Path(importlib.import_module(f"envs.{name}").__file__).read_text())
    roots = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    roots |= {(node.module or "").split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert roots <= {
        "__future__",
        "collections",
        "dataclasses",
        "itertools",
        "math",
        "typing",
        "gymnasium",
        "pettingzoo",
        "numpy",
    }
