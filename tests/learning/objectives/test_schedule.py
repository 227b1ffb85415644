from __future__ import annotations

import pytest

from marl.learning import objectives


def test_schedule_runs_from_first_to_last_iteration() -> None:
    values = [objectives.scheduled((0.4, 0.0), i, 5) for i in range(6)]
    assert values == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0, 0.0])
    assert objectives.scheduled((0.4, 0.0), 0, 1) == 0.4
