from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from marl.api_settings import APISettings

GIVEN = {"kind": "api", "model": "m"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"learn": True}, "cannot be trained"),
        ({"api_key_env": "sk-12 34"}, "NAME of the environment variable"),
        ({"base_url": "ftp://host/v1"}, r"http\(s\)://host"),
        ({"extra": {"messages": []}}, "cannot stand here"),
        ({"extra": {"x": {1, 2}}}, "not JSON"),
        ({"cost_limit": 1.0}, "cost_limit needs input_price and output_price"),
        ({"modle": "m"}, "Extra inputs"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        APISettings.model_validate(GIVEN | change)


def test_it_never_changes_after_validation() -> None:
    settings = APISettings.model_validate(GIVEN)
    with pytest.raises(ValidationError, match="frozen"):
        settings.model = "other"
