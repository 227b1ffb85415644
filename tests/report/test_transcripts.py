"""Episodes become conversations that say what was sent, what was heard and what was done."""

from __future__ import annotations

import numpy as np

from marl.report.transcripts import MOST_DECISIONS, MOST_EPISODES, pick, transcript, transcripts_of
from marl.store import RunDirectory
from marl.types import Episode, Message, ParseFailure, Phase, Turn


def turn(agent: str, text: str, step: int = 0, phase: Phase = "act", failure: ParseFailure | None = None) -> Turn:
    return Turn(
        id=0, agent=agent, policy=agent, phase=phase, step=step, round=0, prompt=f"You are {agent}. Answer:",
        options=("stag", "hare"), text=text, choice=None if failure else ("stag", "hare").index(text),
        prompt_ids=(), token_ids=(), option_ids=(), log_probs=(), features=np.zeros(1), state=np.zeros(1),
        heard=(), said=(), failure=failure,
    )  # fmt: skip


def episode(situation: str = "s", index: int = 0) -> Episode:
    return Episode("x", 3, index, ("a_0", "b_0"), situation, returns={"a_0": 1.0, "b_0": 2.5})


def test_a_scrambled_message_shows_both_texts(full_run: RunDirectory) -> None:
    shown = transcripts_of({"scrambled": full_run.episodes("scrambled")})["scrambled"]
    bubbles = [bubble for one in shown for decision in one.decisions for bubble in decision.bubbles]
    assert any(bubble.heard is not None and bubble.heard != bubble.sent for bubble in bubbles)
    normal = transcripts_of({"normal": full_run.episodes("normal")})["normal"]
    assert all(bubble.heard is None for one in normal for decision in one.decisions for bubble in decision.bubbles)


def test_transcripts_are_the_episodes_as_recorded(full_run: RunDirectory) -> None:
    recorded = {one.index: one for one in full_run.episodes("normal")}
    for shown in transcripts_of({"normal": list(recorded.values())})["normal"]:
        original = recorded[shown.index]
        assert shown.situation == original.situation
        assert [bubble.sent for decision in shown.decisions for bubble in decision.bubbles] == [
            message.sent for message in original.messages
        ]
        assert {agent: float(payoff) for agent, _, payoff in shown.payoffs} == original.returns
        assert set(dict(shown.prompts)) == set(original.agents)


def test_one_episode_a_situation_is_picked() -> None:
    held = [episode("b", 0), episode("a", 1), episode("b", 2), episode("c", 3)]
    assert [one.index for one in pick(held)] == [1, 0, 3]
    assert len(pick([episode(f"s{k}", k) for k in range(20)])) == MOST_EPISODES


def test_a_single_situation_is_shown_twice() -> None:
    assert [one.index for one in pick([episode("s", k) for k in range(5)])] == [0, 1]
    assert pick([]) == []


def test_talk_and_actions_are_grouped_by_decision() -> None:
    one = episode()
    one.messages = [Message("a_0", f"m{k}", f"m{k}", k, 0, ("b_0",)) for k in range(2)]
    one.turns = [turn(agent, "stag", step) for step in range(2) for agent in ("a_0", "b_0")]
    shown = transcript(one)
    assert [[bubble.sent for bubble in decision.bubbles] for decision in shown.decisions] == [["m0"], ["m1"]]
    assert [[move.text for move in decision.moves] for decision in shown.decisions] == [["stag", "stag"]] * 2
    assert [bubble.seat for decision in shown.decisions for bubble in decision.bubbles] == [0, 0]


def test_a_long_episode_is_cut_with_a_count() -> None:
    one = episode()
    one.turns = [turn("a_0", "stag", step) for step in range(MOST_DECISIONS + 5)]
    shown = transcript(one)
    assert len(shown.decisions) == MOST_DECISIONS
    assert shown.left_out == 5


def test_a_reply_that_names_no_action_is_shown_as_such() -> None:
    one = episode()
    one.turns = [turn("a_0", "", failure=ParseFailure("perhaps", "names no option"))]
    (move,) = transcript(one).decisions[0].moves
    assert (move.text, move.fault, move.replied) == ("perhaps", "names no option", True)


def test_a_call_without_a_reply_and_a_try_to_speak_that_failed_are_shown_where_they_stood() -> None:
    one = episode()
    one.messages = [Message("b_0", f"m{k}", f"m{k}", 0, k, ("a_0",)) for k in range(2)]
    timeout = ParseFailure("", "timeout (after 5 tries)", "call")
    one.turns = [turn("a_0", "", phase="talk", failure=timeout), turn("a_0", "", failure=timeout)]
    (decision,) = transcript(one).decisions
    assert [(bubble.agent, bubble.sent, bubble.fault) for bubble in decision.bubbles] == [
        ("b_0", "m0", None),
        ("a_0", "", "timeout (after 5 tries)"),
        ("b_0", "m1", None),
    ]
    (move,) = decision.moves
    assert (move.text, move.fault, move.replied) == ("", "timeout (after 5 tries)", False)


def test_failed_and_truncated_episodes_say_so() -> None:
    one = episode()
    one.outcome, one.error = "failed", "EnvError: lost"
    assert transcript(one).outcome == "This episode failed: EnvError: lost"
    one.outcome = "truncated"
    assert "cut off" in transcript(one).outcome
