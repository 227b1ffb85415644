"""Every module in envs/ keeps PettingZoo's contract, bare and inside the channel, and Parley's own."""

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test, seed_test
from pettingzoo.test.state_test import state_test
from pettingzoo.utils import parallel_to_aec

import envs
from marl.channel import TalkAECEnv, TalkParallelEnv
from marl.testing import check_env

MODULES = {
    module.name: importlib.import_module(f"envs.{module.name}") for module in pkgutil.iter_modules(envs.__path__)
}
PARALLEL = sorted(name for name, module in MODULES.items() if hasattr(module, "parallel_env"))
TURN_TAKING = sorted(name for name, module in MODULES.items() if hasattr(module, "env"))
# A third party's env has the face and the spaces that it has; its adapter's own test checks what is ours.
THIRD_PARTY = {"speaker_listener": {"mpe2"}}
OWN = sorted(MODULES.keys() - THIRD_PARTY.keys())
CHANNELS = {
    "bare": None,
    "talk": {},
    "two rounds, vocabulary": {"talk_rounds": 2, "vocabulary": ["ba", "di"]},
    "nobody hears": {"topology": "none"},
    "off": {"intervention": "off"},
}


def maker(name, channel="bare"):
    make = MODULES[name].parallel_env if name in PARALLEL else MODULES[name].env
    wrapper = TalkParallelEnv if name in PARALLEL else TalkAECEnv
    settings = CHANNELS[channel]
    return make if settings is None else lambda: wrapper(make(), **settings)


def test_every_module_is_an_env_of_one_kind():
    assert {"lewis", "scout_hunt", "stag_hunt", "kuhn_poker"} <= set(MODULES)
    assert sorted([*PARALLEL, *TURN_TAKING]) == sorted(MODULES)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("name", PARALLEL)
class TestPettingZooParallel:
    def test_api(self, name, channel):
        parallel_api_test(maker(name, channel)(), num_cycles=100)

    def test_seed(self, name, channel):
        parallel_seed_test(maker(name, channel), num_cycles=100)

    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_state(self, name, channel):
        make = maker(name, channel)
        state_test(parallel_to_aec(make()), make())


@pytest.mark.parametrize("name", TURN_TAKING)
class TestPettingZooTurnTaking:
    def test_api(self, name):
        """Bare: api_test looks through one level of dict for the mask, and the channel's dict is one already."""
        api_test(maker(name)(), num_cycles=100)

    @pytest.mark.parametrize("channel", CHANNELS)
    def test_seed(self, name, channel):
        seed_test(maker(name, channel), num_cycles=100)


@pytest.mark.parametrize("name", OWN)
def test_parley(name):
    check_env(maker(name))


@pytest.mark.parametrize("name", OWN)
def test_rules_are_short(name):
    env = maker(name)()
    assert all(len(env.rules(agent).split()) <= 45 for agent in env.possible_agents)


@pytest.mark.parametrize("name", MODULES)
def test_imports_are_the_allowed_ones(name):
    tree = ast.parse(Path(MODULES[name].__file__).read_text())

    def roots(nodes):
        found = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        return found | {(node.module or "").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}

    allowed = {
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
    assert roots(tree.body) <= allowed, "a third party's env is imported where it is made, not with the module"
    assert roots(ast.walk(tree)) <= allowed | THIRD_PARTY.get(name, set())
