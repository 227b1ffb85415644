"""`marl export` and `marl distill`: a run's trained policy as a Hugging Face folder, as it is or smaller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from marl.compression.card import write_card
from marl.compression.lessons import fresh_lessons, recorded_lessons
from marl.compression.measure import compare
from marl.errors import ModelError, StoreError
from marl.models import LanguageModel
from marl.policies import LanguageModelPolicy, Policy, build_policies
from marl.seeding import seed_of
from marl.store import RunDirectory

STEPS = 600

ROUNDS = 4
"""Times that the student is taught; between them it plays, and what it met is added to the lessons."""


def trained_policy(run: RunDirectory, name: str | None) -> tuple[LanguageModelPolicy, dict[str, Policy]]:
    """The trained language-model policy called `name`, and all policies of the run by name.

    `name` may be None where the run trained one policy. An adapter is added into its base's weights. Raises StoreError
    where there is no such policy.
    """
    folder = run.path / "policies"
    found = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not found:
        raise StoreError(
            f"{str(run.path)!r} holds no trained policies; `marl train --resume --out {run.path}` makes them"
        )
    if name is None and len(found) > 1:
        raise StoreError(f"the run trained several policies; name one of them with --policy: {', '.join(found)}")
    if (name or found[0]) not in found:
        raise StoreError(f"the run trained no policy {name!r}; it trained: {', '.join(found)}")
    scenario = run.scenario()
    policies = build_policies(scenario, seed=scenario.seed, trained=folder)
    policy = policies.get(name or found[0])
    if not isinstance(policy, LanguageModelPolicy):
        raise StoreError(
            f"{folder / (name or found[0])} is no policy of the scenario; its policies: {sorted(policies)}"
        )
    if policy.adapter is not None:
        whole = LanguageModel.load(str(folder / policy.name), precision=policy.model.precision)
        policies[policy.name] = policy = policy.with_model(whole)
    return policy, policies


def export_policy(
    run: RunDirectory, policy: str | None = None, *, int8: bool = False, out: Path | None = None
) -> tuple[Path, dict[str, Any] | None]:
    """Write a trained policy as a Hugging Face folder; returns it and, with `int8`, what was measured.

    The measurement is also written into the folder as compression.json. `out` is RUN/exports/NAME or
    RUN/exports/NAME-int8 by default. Raises StoreError where there is no such policy or `out` exists.
    """
    trained, policies = trained_policy(run, policy)
    name = trained.name
    folder = _new_folder(out or run.path / "exports" / (f"{name}-int8" if int8 else name))
    if not int8:
        trained.export(folder)
        return folder, None
    _save_int8(trained.model, folder)
    return folder, _measured(run, policies, name, folder, {"kind": "int8"})


def distill_policy(
    run: RunDirectory,
    policy: str | None = None,
    *,
    layers: int | None = None,
    width: int | None = None,
    steps: int = STEPS,
    int8: bool = False,
    out: Path | None = None,
    on_step: Callable[[int, float], None] = lambda step, kl: None,
) -> tuple[Path, dict[str, Any]]:
    """Teach a smaller Llama to decide as a trained policy does, and write it as a Hugging Face folder (in `int8`).

    `layers` and `width` are half the trained network's by default; `out` is RUN/exports/NAME-distilled.
    `on_step(step, kl)` is called after each of `steps` steps. Returns the folder and what was measured, which is also
    written there as compression.json. Raises StoreError as `export_policy` does, and ModelError for a student that
    is not smaller than its teacher.
    """
    trained, policies = trained_policy(run, policy)
    folder = _new_folder(out or run.path / "exports" / f"{trained.name}-distilled")
    shape = trained.model.network.config.get_text_config()
    layers = max(1, shape.num_hidden_layers // 2) if layers is None else layers
    width = max(16, shape.hidden_size // 2 // 16 * 16) if width is None else width
    student = _student(run, trained, layers, width)
    training = _teach(run, trained, policies, student, steps, on_step)
    if int8:
        _save_int8(student, folder)
    else:
        student.save(folder)
    card = {
        "kind": "distilled, int8" if int8 else "distilled",
        "training": {"layers": layers, "width": width, **training},
    }
    return folder, _measured(run, policies, trained.name, folder, card)


def _student(run: RunDirectory, trained: LanguageModelPolicy, layers: int, width: int) -> LanguageModel:
    from marl.models.distill import new_student
    from marl.models.quantize import count_weights

    seed = seed_of(run.scenario().seed, "compression", trained.name)
    student = new_student(trained.model, layers=layers, width=width, seed=seed)
    counts = [count_weights(model.network) for model in (student, trained.model)]
    if counts[0] >= counts[1]:
        raise ModelError(
            f"{layers} layers of width {width} have {counts[0]} weights, the trained policy has {counts[1]}; "
            "give fewer layers or a smaller width"
        )
    return student


def _teach(
    run: RunDirectory,
    trained: LanguageModelPolicy,
    policies: dict[str, Policy],
    student: LanguageModel,
    steps: int,
    on_step: Callable[[int, float], None],
) -> dict[str, Any]:
    """Change `student` in place, in ROUNDS: first on what the trained policy met, then also on what itself meets."""
    from marl.models.distill import distill

    scenario, name = run.scenario(), trained.name
    pupil = {**policies, name: trained.with_model(student)}
    lessons = recorded_lessons(run, name)
    history: list[float] = []
    for number in range(ROUNDS):
        lessons += fresh_lessons(scenario, pupil if number else policies, name, number)
        done = len(history)

        def report(step: int, kl: float, done: int = done) -> None:
            on_step(done + step, kl)

        history += distill(
            trained.model,
            student,
            lessons,
            steps=steps * (number + 1) // ROUNDS - done,
            temperature=trained.temperature,
            seed=seed_of(scenario.seed, "compression", name, number),
            on_step=report,
        )
    return {"steps": steps, "lessons": len(lessons), "first_kl": history[0], "last_kl": history[-1]}


def _save_int8(model: LanguageModel, folder: Path) -> None:
    from marl.models.quantize import to_int8

    LanguageModel(to_int8(model.network), model.tokenizer, f"int8 of {model.name}").save(folder)


def _measured(
    run: RunDirectory, policies: dict[str, Policy], name: str, folder: Path, card: dict[str, Any]
) -> dict[str, Any]:
    """`card` with what `folder` costs beside the trained policy, as a whole network, written into it."""
    from marl.models.adapter_folder import is_adapter

    scenario, source = run.scenario(), run.path / "policies" / name
    with TemporaryDirectory() as whole:
        if is_adapter(source):
            source = Path(whole) / name
            policies[name].export(source)  # type: ignore[attr-defined]
        measured = compare(scenario, policies, name, folder, source)
    return write_card(folder, {"scenario": scenario.name, "policy": name, **card, **measured})


def _new_folder(folder: Path) -> Path:
    if folder.exists():
        raise StoreError(f"{str(folder)!r} exists already; delete it, or choose another --out")
    return folder
