from __future__ import annotations

from marl.text.prompt import act_prompt, talk_prompt
from marl.types import Message


def said(sender: str, text: str) -> Message:
    return Message(sender, text, text, 0, 0, ("b_0",))


def test_act_prompt_is_the_documented_template() -> None:
    prompt = act_prompt("The rules.", "You see: red.", [said("a_0", "hi"), said("b_0", "yo")], ["left", "right"])
    assert prompt == "The rules.\nYou see: red.\na_0: hi\nb_0: yo\nChoose: left, right\nAnswer:"


def test_talk_prompt_with_and_without_a_vocabulary() -> None:
    assert talk_prompt("R.", "D.", []) == "R.\nD.\nSay:"
    assert talk_prompt("R.", "D.", [], ["ba", "du"]) == "R.\nD.\nSay one of: ba, du\nSay:"


def test_delivered_text_is_shown_not_what_the_sender_wrote() -> None:
    scrambled = Message("a_0", "delivered", "written", 0, 0, ("b_0",))
    assert "delivered" in talk_prompt("R.", "D.", [scrambled])
    assert "written" not in talk_prompt("R.", "D.", [scrambled])
