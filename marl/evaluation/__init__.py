"""What policies earn: arms played on the same seeds, tournaments, and the statistics of both."""

from marl.evaluation.arms import LABELS, PlayArm, arm_difference, evaluate_arms, evaluate_episodes
from marl.evaluation.metrics import arm_metrics, completed, joint_play, moves, situations, success_rate
from marl.evaluation.reference import nearest_equilibrium, payoff_scale
from marl.evaluation.statistics import (
    Difference,
    Interval,
    mean_interval,
    paired_difference,
    success_interval,
    unpaired_difference,
)
from marl.evaluation.tournament import check_completed, choose_profiles, play_profiles, play_tournament

__all__ = [
    "LABELS",
    "Difference",
    "Interval",
    "PlayArm",
    "arm_difference",
    "arm_metrics",
    "check_completed",
    "choose_profiles",
    "completed",
    "evaluate_arms",
    "evaluate_episodes",
    "joint_play",
    "mean_interval",
    "moves",
    "nearest_equilibrium",
    "paired_difference",
    "payoff_scale",
    "play_profiles",
    "play_tournament",
    "situations",
    "success_interval",
    "success_rate",
    "unpaired_difference",
]
