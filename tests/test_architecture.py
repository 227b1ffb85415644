"""The rules of the design that the tree keeps by itself: who imports whom, and what an import may cost."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("marl", "envs", "scenarios", "scripts")
HEAVY = ("torch", "ray", "transformers", "matplotlib", "peft", "llguidance", "openai", "httpx2")
FORBIDDEN_NAMES = {"utils", "common", "helpers", "base", "manager", "handler"}

# For each part of marl: the parts that it may import beside itself.
RECORDS = {"types", "errors", "seeding", "settings", "training_settings", "scenario", "multi_task"}
PLAY = {*RECORDS, "text", "channel", "policies", "table", "rollout"}
STEPS = {"learning", "evaluation", "communication", "games", "report"}
ALLOWED = {
    "types": set(),
    "errors": set(),
    "seeding": {"errors"},
    "strict": set(),
    "api_settings": {"strict"},
    "training_settings": {"strict"},
    "settings": {"strict", "api_settings", "training_settings", "errors"},
    "scenario": {"settings", "errors"},
    "multi_task": {"scenario", "settings", "training_settings", "errors"},
    "store": RECORDS,
    "text": RECORDS,
    "channel": RECORDS,
    "models": RECORDS,
    "policies": {*RECORDS, "models", "text"},
    "table": {*RECORDS, "text", "channel"},
    "rollout": {*RECORDS, "channel", "policies", "table"},
    "testing": PLAY,
    "learning": {*PLAY, "models", "store", "games"},
    "evaluation": PLAY,
    "communication": PLAY,
    "compression": {*PLAY, "models", "store", "evaluation"},
    "games": {"types", "errors"},
    "report": {"store", "scenario", "settings", "errors", "types"},
    "usage": {*RECORDS, "models", "store"},
    "twin": {*RECORDS, "store", "experiment"},
    "payoffs": {*RECORDS, "store", "games"},
    "experiment": {*PLAY, *STEPS, "models", "store", "usage", "twin", "payoffs"},
    "comparison": {*PLAY, "evaluation", "learning", "store", "experiment"},
    "checkpoints": {*PLAY, "evaluation", "learning", "games", "store", "experiment"},
    "psro": {*PLAY, "evaluation", "learning", "games", "store", "experiment"},
    "options": {*RECORDS, "store"},
    "communication_game": {*PLAY, "evaluation", "communication", "games", "store", "usage", "experiment"},
    "progress": RECORDS,
    "terminal": {*RECORDS, "store", "table"},
    "cli": {
        *RECORDS,
        "policies",
        "store",
        "options",
        "progress",
        "terminal",
        "experiment",
        "comparison",
        "communication_game",
        "compression",
        "games",
        "psro",
        "checkpoints",
    },
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names) if module == "marl" else [module]


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT / "marl")
    return relative.parts[0].removesuffix(".py")


def test_marl_imports_point_one_way() -> None:
    wrong = []
    for path in sources("marl"):
        part = part_of(path)
        if part in {"__init__", "__main__"}:
            continue
        for name in imports(path):
            pieces = name.split(".")
            if pieces[0] == "marl" and len(pieces) > 1 and pieces[1] not in ALLOWED[part] | {part}:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


@pytest.mark.parametrize(
    ("library", "parts"),
    [
        ("ray", {"learning"}),
        ("transformers", {"models"}),
        ("peft", {"models"}),
        ("tokenizers", {"models"}),
        ("llguidance", {"models"}),
        ("openai", {"models"}),
        ("httpx2", {"models"}),
        ("matplotlib", {"report"}),
        ("jinja2", {"report", "models"}),
        ("torch", {"models", "learning", "policies"}),
    ],
)
def test_heavy_libraries_stay_in_their_rooms(library: str, parts: set[str]) -> None:
    users = {part_of(path) for path in sources("marl") if any(n.split(".")[0] == library for n in imports(path))}
    assert users <= parts


def test_envs_and_marl_meet_only_in_scenario_files() -> None:
    allowed = {"gymnasium", "pettingzoo", "numpy", "envs"} | sys.stdlib_module_names
    foreign = {(path.stem, n.split(".")[0]) for path in sources("envs") for n in imports(path)}
    assert {(where, n) for where, n in foreign if n not in allowed} <= {("speaker_listener", "mpe2")}
    assert not [path for path in sources("marl") for name in imports(path) if name.split(".")[0] == "envs"]


def test_games_needs_only_the_scientific_stack() -> None:
    allowed = {"numpy", "scipy", "networkx", "marl"} | sys.stdlib_module_names
    assert {n.split(".")[0] for path in (ROOT / "marl/games").rglob("*.py") for n in imports(path)} <= allowed


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert not [path for package in PACKAGES for path in sources(package) if path.stem in FORBIDDEN_NAMES]


def test_no_module_is_longer_than_400_lines() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for k in PACKAGES
        for p in sources(k)
        if (n := len(p.read_text().splitlines())) > 400
    }
    assert not long


def test_there_is_one_broad_except_at_most() -> None:
    broad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources("marl")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
    ]
    assert [place.split(":")[0] for place in broad] in ([], ["marl/rollout.py"]), broad


def test_importing_marl_is_light() -> None:
    code = (
        "import sys, marl, marl.scenario, marl.settings, marl.models, marl.models.api;"
        f"print(set({HEAVY}) & set(sys.modules) or 'light')"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.startswith("light"), printed


def test_importing_marl_games_loads_numpy_and_nothing_else_large() -> None:
    slow = (
        *HEAVY,
        "scipy",
        "networkx",
        "pandas",
        "pydantic",
        "gymnasium",
        "pettingzoo",
        "yaml",
        "typer",
        "rich",
        "jinja2",
    )
    code = f"import sys, marl.games; print(sorted(set({slow}) & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_every_module_has_a_test_of_its_name() -> None:
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    modules = [
        p for k in ("marl", "envs") for p in sources(k) if p.stem != "__init__" and len(p.read_text().splitlines()) > 25
    ]
    untested = [str(path.relative_to(ROOT)) for path in modules if f"test_{path.name}" not in tests]
    assert not untested
