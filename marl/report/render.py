"""Writes report.html: reads the run, arranges each section, fills the templates, and renames the page into place."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from marl.errors import StoreError
from marl.report import formats
from marl.report.arms import arm_labels, arm_views, behavior_table, differences_of, references_of, tiles_of
from marl.report.concepts import concept_view, plan_view
from marl.report.curves import curves_of, learning_curves, shape
from marl.report.game import game_view
from marl.report.graph import response_graph
from marl.report.inputs import RunInputs, read_inputs
from marl.report.messages import sender_views
from marl.report.run_card import card_rows, version_rows
from marl.report.talk import talk_view
from marl.report.terms import TERMS
from marl.report.transcripts import transcripts_of
from marl.store import write_atomically

NAME = "report.html"
COMMANDS = {"analysis.json": "analyze", "communication.json": "analyze --communication"}
"""What makes a file again, where it is not `marl evaluate`."""


def render_report(run: str | Path) -> Path:
    """Write RUN/report.html from the files of the run directory `run`; returns its path.

    The page is one file that asks nothing of the network. A part whose input is missing says which command makes
    it. Raises StoreError when `run` is no run directory or holds a file that cannot be read as what it should be.
    """
    inputs = read_inputs(run)
    page = render_page(inputs)
    path = inputs.path / NAME
    write_atomically(path, page)
    return path


def render_page(inputs: RunInputs) -> str:
    """The page's text."""
    environment = _environment()
    context = {
        "run": inputs,
        "title": inputs.scenario.title,
        "css": Markup(_packaged("style.css")),
        **_evaluated(inputs),
        **_analyzed(inputs),
        **_talked(inputs),
        "repeated": any(episode.length > 1 for held in inputs.episodes.values() for episode in held),
        "transcripts": _section("episodes", inputs, lambda: transcripts_of(inputs.episodes)),
        "card": card_rows(inputs),
        "versions": version_rows(inputs.card),
    }
    try:
        return environment.get_template("report.html.j2").render(context)
    except jinja2.UndefinedError as error:
        raise StoreError(
            f"{str(inputs.path)!r}: evaluation.json, analysis.json or communication.json lacks what the report shows "
            f"({error}); make them again with `marl evaluate {inputs.path}`, `marl analyze {inputs.path}` and `marl "
            f"analyze {inputs.path} --communication`"
        ) from error


def _evaluated(inputs: RunInputs) -> dict[str, Any]:
    def build() -> dict[str, Any]:
        evaluation, agents = inputs.evaluation, list(inputs.scenario.seats)
        labels, references = arm_labels(evaluation), references_of(evaluation)
        curves = curves_of(inputs.metrics, inputs.twin_metrics, labels)
        views = arm_views(evaluation) if evaluation else {}
        return {
            "evaluation": evaluation,
            "agents": agents,
            "labels": labels,
            "references": references,
            "curves": curves,
            "learning": learning_curves(curves, references) if curves else None,
            "arms": views,
            "tiles": tiles_of(views),
            "differences": differences_of(evaluation) if evaluation else [],
            "senders": sender_views(evaluation) if evaluation else [],
            "behavior": behavior_table(evaluation, agents) if evaluation else None,
        }

    return _section("evaluation.json", inputs, build)


def _analyzed(inputs: RunInputs) -> dict[str, Any]:
    def build() -> dict[str, Any]:
        analysis = inputs.analysis
        return {
            "analysis": analysis,
            "game": game_view(analysis) if analysis else None,
            "graph": response_graph(analysis) if analysis else None,
            "concepts": concept_view(analysis) if analysis else None,
            "plan": plan_view(analysis) if analysis else None,
        }

    return _section("analysis.json", inputs, build)


def _talked(inputs: RunInputs) -> dict[str, Any]:
    def build() -> dict[str, Any]:
        found = inputs.communication
        return {"communication": found, "talk": talk_view(found) if found else None}

    return _section("communication.json", inputs, build)


def _section(name: str, inputs: RunInputs, build: Callable[[], Any]) -> Any:
    """What `build` returns; a file whose content does not have its shape is named in a StoreError."""
    try:
        return build()
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        command, _, option = COMMANDS.get(name, "evaluate").partition(" ")
        command = f"marl {command} {inputs.path} {option}".rstrip()
        raise StoreError(
            f"{str(inputs.path / name)!r} does not have the shape that the report expects "
            f"({type(error).__name__}: {error}); make it again with `{command}`"
        ) from error


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (_packaged(name), name, None)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=formats.number, percent=formats.percent, span=formats.span, short=formats.short, count=formats.count
    )
    environment.globals.update(terms=TERMS, shape=shape)
    return environment


def _packaged(name: str) -> str:
    return resources.files("marl.report").joinpath(name).read_text(encoding="utf-8")
