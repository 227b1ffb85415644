"""Language models as policies see them: two verbs, `say` and `choose`, and the pass that trains both.

Importing this package loads neither torch nor transformers; `LanguageModel` does when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marl.models.constraint import Constraint
    from marl.models.language_model import LanguageModel
    from marl.models.records import Ids, Row, RowLogProbs, Utterance

__all__ = ["Constraint", "Ids", "LanguageModel", "Row", "RowLogProbs", "Utterance"]

_LAZY = {
    "Constraint": "marl.models.constraint",
    "LanguageModel": "marl.models.language_model",
    "Ids": "marl.models.records",
    "Row": "marl.models.records",
    "RowLogProbs": "marl.models.records",
    "Utterance": "marl.models.records",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'marl.models' has no attribute {name!r}")
