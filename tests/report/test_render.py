"""The page as a browser gets it: whole, self-contained, escaped, and true to the run's files."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from marl.errors import StoreError
from marl.report import render_report
from marl.report.formats import number
from marl.store import RunDirectory
from marl.types import ParseFailure

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)> & \"quoted\" {{ 7 * 7 }}"
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """What the tests ask of a page: its elements with attributes, its text, and whether tags are closed in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.within: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> out of order in {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)
            for tag in self._open:
                self.within.setdefault(tag, []).append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def page(full_run: RunDirectory) -> Page:
    return Page(render_report(full_run.path))


def test_the_page_lies_in_the_run_and_nothing_else_is_left(full_run: RunDirectory) -> None:
    before = set(full_run.path.iterdir())
    path = render_report(full_run.path)
    assert path == full_run.path / "report.html"
    assert set(full_run.path.iterdir()) - before == {path}


def test_the_same_run_gives_the_same_page(full_run: RunDirectory) -> None:
    first = render_report(full_run.path).read_bytes()
    assert render_report(full_run.path).read_bytes() == first


def test_nothing_is_asked_of_the_network(page: Page) -> None:
    assert not re.findall(r"https?:|//\w|@import|url\((?!#)", page.source)
    for tag, attributes in page.elements:
        assert tag not in {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
        assert not {"src", "srcset", "data", "action", "poster", "xlink:href"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "#").startswith("#")
    policies = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_every_sentence_of_the_verdict_and_the_summary_is_there(full_run: RunDirectory, page: Page) -> None:
    sentences = full_run.read_json("evaluation.json")["verdict"] + full_run.read_json("analysis.json")["summary"]
    assert len(sentences) > 10
    for sentence in sentences:
        assert " ".join(sentence["text"].split()) in page.text


def test_the_verdict_stands_before_everything_else(full_run: RunDirectory, page: Page) -> None:
    verdict = full_run.read_json("evaluation.json")["verdict"][0]["text"]
    assert page.text.index(" ".join(verdict.split())) < page.text.index("Learning")


def test_tiles_show_the_means_of_the_file(full_run: RunDirectory, page: Page) -> None:
    evaluation = full_run.read_json("evaluation.json")
    shown = [attributes["value"] for attributes in page.all("data")]
    tiles = re.findall(
        r'<li class="tile (\w+)">.*?<data value="([^"]+)">([^<]+)</data>.*?range">([^<]+)<', page.source, re.S
    )
    assert [key for key, *_ in tiles] == ["normal", "silent_twin", "scrambled", "untrained"]
    for key, exact, rounded, span in tiles:
        arm = evaluation["arms"][key]
        assert float(exact) == arm["mean"]
        assert rounded == number(arm["mean"])
        assert span == f"{number(arm['low'])} to {number(arm['high'])}"
    assert str(evaluation["optimum"]) in shown
    assert str(evaluation["no_communication"]) in shown


def test_every_number_behind_a_sentence_is_shown_in_full(full_run: RunDirectory, page: Page) -> None:
    shown = {attributes["value"] for attributes in page.all("data")}
    for sentence in full_run.read_json("evaluation.json")["verdict"]:
        assert {str(value) for value in sentence["numbers"].values()} <= shown


def test_sections_come_in_order_and_the_contents_lead_to_them(page: Page) -> None:
    ids = [attributes["id"] for attributes in page.all("section") if "id" in attributes]
    assert ids == ["learning", "payoffs", "messages", "behavior", "game", "transcripts", "card"]
    targets = {attributes["href"].removeprefix("#") for attributes in page.all("a")}
    assert targets == set(ids)


def test_talk_has_a_section_where_it_was_studied(full_run: RunDirectory, communication: dict[str, Any]) -> None:
    full_run.write_json("communication.json", communication)
    page = Page(render_report(full_run.path))
    ids = [attributes["id"] for attributes in page.all("section") if "id" in attributes]
    assert ids == ["learning", "payoffs", "messages", "behavior", "game", "talk", "transcripts", "card"]
    assert {attributes["href"].removeprefix("#") for attributes in page.all("a")} == set(ids)
    for sentence in communication["summary"]:
        assert " ".join(sentence["text"].split()) in page.text
    communication = {**communication, "meta_games": 3}
    full_run.write_json("communication.json", communication)
    with pytest.raises(StoreError, match=rf"with `marl analyze {full_run.path} --communication`"):
        render_report(full_run.path)


def test_concepts_and_what_to_play_next_stand_in_the_game(full_run: RunDirectory) -> None:
    analysis = full_run.read_json("analysis.json")
    planned = [{"profile": [1, 2], "played": 24, "more": 4321}]
    analysis["refinement"].update(undecided=2, profiles=planned)
    full_run.write_json("analysis.json", analysis)
    page = Page(render_report(full_run.path))
    assert "4,321" in page.text
    assert {"Solution concepts", "What to play next"} <= set(page.within["h3"])
    assert f"marl analyze {full_run.path} --refine" in page.text
    for one in analysis["concepts"]["claims"]:
        if one["claim"] == "pareto_efficient":
            names = [own[s] for own, s in zip(analysis["game"]["strategies"], one["profile"], strict=True)]
            assert f"({', '.join(names)}) is Pareto efficient" in page.text


def test_ids_are_unique_and_references_hold(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes} <= set(
        ids
    )


def test_tables_have_headers_and_drawings_have_words(page: Page) -> None:
    assert all(attributes.get("scope") in {"col", "row"} for attributes in page.all("th"))
    for attributes in page.all("svg"):
        inner = "viewBox" in attributes or attributes.get("class") in {"mark", "lines"}
        assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true" or inner
    assert len(page.all("h1")) == 1


def test_transcripts_are_real_episodes(full_run: RunDirectory, page: Page) -> None:
    first = min(full_run.episodes("normal"), key=lambda episode: (episode.situation, episode.index))
    bubbles = re.findall(r'class="bubble.*?<p>(.*?)</p>', page.source)
    assert first.messages[0].sent in bubbles
    assert "heard:" in page.text


def test_calls_without_a_reply_have_a_column_where_there_were_any(full_run: RunDirectory, page: Page) -> None:
    assert "Calls without a reply" not in page.text
    evaluation = full_run.read_json("evaluation.json")
    evaluation["arms"]["off"]["failed_calls"] = 1234
    del evaluation["arms"]["normal"]["failed_calls"]
    full_run.write_json("evaluation.json", evaluation)
    text = Page(render_report(full_run.path)).text
    assert "Calls without a reply" in text
    assert "1,234" in text


def test_a_turn_without_a_reply_is_shown_as_such(full_run: RunDirectory) -> None:
    (episode, *_) = full_run.episodes("normal")
    for turn in episode.turns:
        turn.failure = ParseFailure("", "<timeout>", "call")
    episode.messages = []
    full_run.write_episodes("swapped", [episode])
    source = Page(render_report(full_run.path)).source
    assert source.count("Nothing was heard: &lt;timeout&gt;") == 2
    assert source.count("gave no reply</span>") == 2


def test_an_arm_of_another_name_has_its_transcripts_too(full_run: RunDirectory) -> None:
    full_run.write_episodes("swapped", full_run.episodes("normal")[:2])
    page = Page(render_report(full_run.path))
    assert len([details for details in page.all("details") if details.get("class") == "arm"]) == 6
    assert "swapped" in "".join(page.within["h3"])


def test_text_of_models_cannot_become_markup(full_run: RunDirectory) -> None:
    episodes = full_run.episodes("scrambled")
    for episode in episodes:
        episode.situation = HOSTILE
        episode.messages = [
            type(message)(message.sender, HOSTILE, f"sent {HOSTILE}", message.step, message.round, message.hearers)
            for message in episode.messages
        ]
        for turn in episode.turns:
            turn.text = turn.prompt = HOSTILE
            turn.options = (HOSTILE,) * len(turn.options)
    full_run.write_episodes("scrambled", episodes)
    evaluation = full_run.read_json("evaluation.json")
    evaluation["verdict"].insert(0, {"text": HOSTILE, "numbers": {HOSTILE: 1}})
    evaluation["arms"][HOSTILE] = {**evaluation["arms"]["off"], "label": HOSTILE}
    arm = evaluation["arms"]["normal"]
    arm["situations"][HOSTILE] = {"n": 1, "mean": 0.0, "plays": {HOSTILE: 1.0}}
    for sender in evaluation["communication"].values():
        sender["lexicon"].append({"situation": HOSTILE, "message": HOSTILE, "share": 1.0})
    full_run.write_json("evaluation.json", evaluation)
    analysis = full_run.read_json("analysis.json")
    analysis["game"]["strategies"][0][0] = HOSTILE
    full_run.write_json("analysis.json", analysis)
    page = Page(render_report(full_run.path))
    assert page.text.count(HOSTILE) > 10
    assert not page.all("script")
    assert not page.all("img")
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert all(
        re.fullmatch(r"[\w -]+", attributes["class"]) for _, attributes in page.elements if attributes.get("class")
    )


MISSING = {
    "evaluation.json": ("has not been evaluated yet", "marl evaluate"),
    "analysis.json": ("has not been measured yet", "marl analyze"),
    "metrics.jsonl": ("nothing has been trained", "marl train --resume --out"),
    "episodes": ("No episodes have been recorded yet", "marl evaluate"),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_part_says_which_command_makes_it(partial_run: Callable[..., RunDirectory], name: str) -> None:
    names = (name, "silent_twin") if name == "metrics.jsonl" else (name,)
    run = partial_run(*names)
    page = Page(render_report(run.path))
    sentence, command = MISSING[name]
    assert sentence in page.text
    assert f"{command} {run.path}" in page.text
    assert len([section for section in page.all("section") if "id" in section]) == 7


def test_a_run_that_has_just_been_created_has_a_report(partial_run: Callable[..., RunDirectory]) -> None:
    run = partial_run(*MISSING, "run.json", "silent_twin")
    page = Page(render_report(run.path))
    assert all(sentence in page.text for sentence, _ in MISSING.values())
    assert "Scout hunt" in page.text


def test_a_missing_twin_is_told_and_the_other_curves_stay(partial_run: Callable[..., RunDirectory]) -> None:
    page = Page(render_report(partial_run("silent_twin").path))
    assert "No silent twin was trained" in page.text
    assert [svg for svg in page.all("svg") if svg.get("class") == "curves"]


def test_an_interrupted_run_says_how_to_go_on(full_run: RunDirectory) -> None:
    full_run.update_run(status="interrupted")
    page = Page(render_report(full_run.path))
    assert f"marl train --resume --out {full_run.path}" in page.text


def test_a_game_without_references_or_success(full_run: RunDirectory) -> None:
    evaluation = full_run.read_json("evaluation.json")
    evaluation.update(optimum=None, no_communication=None)
    for arm in evaluation["arms"].values():
        arm.update(success=None, equilibrium=None)
    full_run.write_json("evaluation.json", evaluation)
    page = Page(render_report(full_run.path))
    assert "best possible" not in " ".join(page.within["figcaption"])
    assert "none is known" in page.text


@pytest.mark.parametrize("name", ["evaluation.json", "analysis.json"])
def test_a_file_of_another_shape_is_refused_by_name(full_run: RunDirectory, name: str) -> None:
    page = render_report(full_run.path).read_bytes()
    full_run.write_json(name, {"arms": {"normal": {"mean": 1.0}}, "game": {}})
    with pytest.raises(StoreError, match=rf"{name}.*does not have the shape"):
        render_report(full_run.path)
    assert (full_run.path / "report.html").read_bytes() == page


def test_a_file_that_lacks_a_part_is_refused(full_run: RunDirectory) -> None:
    evaluation = full_run.read_json("evaluation.json")
    del evaluation["verdict"]
    full_run.write_json("evaluation.json", evaluation)
    with pytest.raises(StoreError, match=r"lacks what the report shows.*verdict"):
        render_report(full_run.path)


def test_no_run_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a run directory"):
        render_report(tmp_path)


def luminance(color: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1])
def test_text_and_arms_stand_out_from_the_paper(scheme: int) -> None:
    css = resources.files("marl.report").joinpath("style.css").read_text("utf-8")
    colors = dict(re.findall(r"--([\w]+): (#[0-9a-f]{6})", re.findall(r":root \{(.*?)\}", css, re.S)[scheme]))
    for ground in ("paper", "raised"):
        for ink in ("ink", "muted", "normal", "scrambled", "silent_twin", "off", "untrained"):
            light, dark = sorted((luminance(colors[ground]), luminance(colors[ink])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ground, ink)
