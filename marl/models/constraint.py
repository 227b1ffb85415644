"""What a reply may consist of: one of some texts, some words, a regular expression, or a grammar.

Matching is llguidance's, on bytes, so that a text may be said in any tokens that spell it. A constraint is on what
follows the space in front of a plain model's reply (" north"), which is one line.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from marl.errors import ModelError
from marl.models.matcher import HINT, Matcher, reason
from marl.models.token_index import Tokens, index_tokens

if TYPE_CHECKING:
    from llguidance import LLMatcher

KINDS = {"vocabulary": "texts", "words": "texts", "regex": "pattern", "grammar": "pattern"}
"""The kinds of constraint, and the field that each of them needs."""

_EXACT = '%llguidance {"no_forcing": true}\n'
"""Without it a text that leaves no choice could be said in the tokenizer's own spelling only."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """`kind` "vocabulary": exactly one of `texts`. "words": one or more of `texts` with single spaces between them.
    "regex": what `pattern` matches from end to end, in the syntax of Rust's regex: no look-around, no back references.
    "grammar": what the Lark grammar `pattern` derives from `start`; its terminals take as much text as they can.

    Raises ModelError for an unknown kind, a field that it does not take, and texts that no reply can be.
    """

    kind: str
    texts: tuple[str, ...] = ()
    pattern: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ModelError(f"there is no constraint of kind {self.kind!r}; give one of {', '.join(KINDS)}")
        if isinstance(self.texts, str):
            raise ModelError(f"the texts of a constraint are {self.texts!r}; give a tuple of texts")
        object.__setattr__(self, "texts", tuple(self.texts))
        if [name for name in ("texts", "pattern") if getattr(self, name)] != [KINDS[self.kind]]:
            raise ModelError(f"{self} must have `{KINDS[self.kind]}`, and nothing but that")
        for text in self.texts:
            if not text or text != " ".join(text.split()) or (self.kind == "words" and " " in text):
                raise ModelError(
                    f"{text!r} cannot be one of the texts of kind {self.kind}; give visible characters with single "
                    "spaces between them, and in words no space at all"
                )


@lru_cache(maxsize=256)
def compile_constraint(
    constraint: Constraint,
    tokenizer: Any,
    vocabulary_size: int,
    stop_ids: frozenset[int],
    lead: str | None = None,
) -> Matcher:
    """The matcher at the start of every reply under `constraint`; the same arguments give the same object.

    `vocabulary_size` is that of the logits; `lead` what opens a reply, by default a space, which is left to the model
    where the tokenizer has a chat template. A reply may be empty where the constraint allows the empty text. Raises
    ModelError for a pattern that is not valid, with the reason, and for a constraint that no reply can meet.
    """
    tokens = index_tokens(tokenizer, vocabulary_size, stop_ids)
    opening = json.dumps(" " if lead is None else lead, ensure_ascii=False)
    if lead is None and getattr(tokenizer, "chat_template", None):
        opening += "?"
    state = _state(tokens, _replies(constraint, tokens, opening), constraint)
    matcher = Matcher(tokens, state, careful=tokens.pieces or (tokens.gaps and constraint.kind == "grammar"))
    if matcher.is_hopeless():
        raise ModelError(f"no reply can meet {constraint}; {HINT}")
    return matcher


def _replies(constraint: Constraint, tokens: Tokens, opening: str) -> str:
    """A grammar of whole replies, in llguidance's form."""
    if constraint.kind == "grammar":
        often = "?" if _state(tokens, constraint.pattern, constraint).is_accepting() else ""
        outer = {"lark_grammar": f"{_EXACT}start: ({opening} @reply){often}"}
        return json.dumps({"grammars": [outer, {"name": "reply", "lark_grammar": constraint.pattern}]})
    body, often = _body(constraint), ""
    if constraint.kind == "regex" and _state(tokens, f"start: {body}", constraint).is_accepting():
        often = "?"
    limit = "" if tokens.limit is None else f" & {tokens.limit}"
    return f"{_EXACT}start: REPLY{often}\nREPLY: ({opening} BODY){limit}\nBODY: {body}\n"


def _body(constraint: Constraint) -> str:
    """The right-hand side of a Lark terminal for what follows the opening."""
    if constraint.kind == "regex":
        from llguidance import regex_to_lark

        return f"/{regex_to_lark(constraint.pattern, '')}/"
    either = " | ".join(json.dumps(text, ensure_ascii=False) for text in constraint.texts)
    return f"({either})" if constraint.kind == "vocabulary" else f'({either}) (" " ({either}))*'


def _state(tokens: Tokens, grammar: str, constraint: Constraint) -> LLMatcher:
    from llguidance import LLMatcher

    state = LLMatcher(tokens.index, grammar, log_level=0)
    if state.is_error():
        raise ModelError(f"{constraint} is not valid; mend its pattern: {reason(state)}")
    return state
