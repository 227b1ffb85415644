"""Trained policies made smaller, int8 or distilled, and what that costs: bytes, speed, payoff, agreement."""

from marl.compression.card import CARD, card_rows, card_table
from marl.compression.export import distill_policy, export_policy, trained_policy
from marl.compression.lessons import fresh_lessons, lessons_of, recorded_lessons
from marl.compression.measure import compare, speed_ratio

__all__ = [
    "CARD",
    "card_rows",
    "card_table",
    "compare",
    "distill_policy",
    "export_policy",
    "fresh_lessons",
    "lessons_of",
    "recorded_lessons",
    "speed_ratio",
    "trained_policy",
]
