"""The nano model's training text, written from a seed: made-up situations, each ending in one or more replies.

A document is a list of segments `(text, weight)`; the weight is how much the segment's tokens count in the loss.
The situations have the form that Parley's prompts have. They know no game: options, facts and messages are drawn
independently, nobody is paid for anything, and what a speaker says about an option is simply repeated often enough.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nano_words import (
    AGENT_NAMES,
    BLINDNESS,
    DOMAINS,
    EMPTY_REPLIES,
    GROUPS,
    HELD_OUT_DOMAINS,
    HOLDERS,
    INFORMED_REPLIES,
    PLACE_FACTS,
    RULES,
    SEEING,
    SMALL_TALK,
    SYLLABLES,
    TELLING,
    THINGS,
    TOLD_REPLIES,
    TRAINING_DOMAINS,
    VALUE_FACTS,
    held_out_forms,
    training_forms,
)

Document = list[tuple[str, float]]
PROMPT, REPLY, DECISION = 0.0, 1.0, 3.0
ALL_WORDS = tuple(sorted({w for words in DOMAINS.values() for w in words} | set(THINGS)))
SAY_NAMED, CHOOSE_KEPT, SEEN_OVER_TOLD = 0.62, 0.7, 0.85


@dataclass
class Style:
    """What a situation may be made of, and how noisy its replies are (0: always the plain answer; 1: as intended)."""

    rng: random.Random
    held_out: bool = False
    noise: float = 1.0
    made_up: float = 0.25

    def forms(self, forms: Sequence[str]) -> str:
        """One sentence form, from the training ones or from the held-out ones."""
        return self.rng.choice(held_out_forms(forms) if self.held_out else training_forms(forms))

    def keeps(self, probability: float) -> bool:
        """Whether a reply is the plain one, where in the end it should be with `probability`."""
        return self.rng.random() < 1.0 - self.noise * (1.0 - probability)


@dataclass
class Situation:
    """One made-up situation: the options, what is true, who takes part."""

    options: list[str]
    truth: str
    thing: str
    holder: str
    me: str
    others: list[str]
    facts: Sequence[str] = field(default_factory=lambda: VALUE_FACTS)

    def fill(self, rng: random.Random, form: str, option: str | None = None) -> str:
        """The sentence `form` about this situation, with `option` (default: the truth) as what it says."""
        option = option or self.truth
        if "{f}" in form or "{F}" in form:
            fact = self.fill(rng, rng.choice(self.facts), option)
            form = form.replace("{f}", fact).replace("{F}", fact[:1].upper() + fact[1:])
        while "{x}" in form:
            form = form.replace("{x}", rng.choice(ALL_WORDS), 1)
        while "{n}" in form:
            form = form.replace("{n}", str(rng.randrange(21)), 1)
        if "{l}" in form:
            form = form.replace("{l}", listing(rng, self.options))
        for mark in ("{i}", "{j}"):
            form = form.replace(mark, rng.choice(self.options))
        pairs = {"{t}": self.thing, "{o}": option, "{h}": self.holder, "{g}": rng.choice(GROUPS), "{a}": self.me}
        for mark, word in pairs.items():
            form = form.replace(mark, word)
        return form.replace("{b}", self.others[0])


def listing(rng: random.Random, options: Sequence[str]) -> str:
    """The options in random order as people list them: `a, b or c`."""
    words = rng.sample(list(options), len(options))
    last = rng.choice((" or ", " and ", ", ", " or "))
    return ", ".join(words[:-1]) + last + words[-1] if len(words) > 1 else words[0]


def made_up_word(rng: random.Random, syllables: int | None = None) -> str:
    """A word that no dictionary has, of two or three syllables."""
    return "".join(rng.choices(SYLLABLES, k=syllables or rng.choice((2, 2, 3))))


def draw_options(style: Style, count: int) -> list[str]:
    """`count` different options: words of one domain, mixed words or made-up words; sometimes one from elsewhere."""
    rng = style.rng
    kind = rng.random()
    if kind < style.made_up:
        words = {made_up_word(rng) for _ in range(count + 3)}
        return rng.sample(sorted(words), min(count, len(words)))
    if style.held_out:
        pool: Sequence[str] = DOMAINS[rng.choice(HELD_OUT_DOMAINS)]
    elif kind < style.made_up + 0.3:
        pool = [rng.choice(DOMAINS[rng.choice(TRAINING_DOMAINS)]) for _ in range(count * 2)]
        pool = sorted(set(pool))
    else:
        pool = DOMAINS[rng.choice(TRAINING_DOMAINS)]
    options = rng.sample(list(pool), min(count, len(pool)))
    if not style.held_out and len(options) > 2 and rng.random() < 0.25:
        extra = rng.choice(DOMAINS[rng.choice(TRAINING_DOMAINS)])
        if extra not in options:
            options[-1] = extra
    return options


def draw_situation(style: Style, count: int | None = None) -> Situation:
    """A fresh situation with `count` options (default 2 to 7)."""
    rng = style.rng
    options = draw_options(style, count or rng.choice((2, 3, 3, 4, 4, 4, 5, 5, 5, 6, 7)))
    names = rng.sample(AGENT_NAMES, 3)
    if rng.random() < 0.35:
        seats = [f"{names[0]}_{k}" for k in rng.sample(range(4), 3)]
    else:
        seats = [f"{n}_{rng.choice((0, 0, 1, 2))}" for n in names]
    things = [t for t in THINGS if t not in options]
    holders = [h for h in HOLDERS if h not in options]
    facts = PLACE_FACTS if rng.random() < 0.5 else VALUE_FACTS
    return Situation(
        options,
        rng.choice(options),
        rng.choice(things),
        rng.choice(holders),
        seats[0],
        seats[1:],
        training_forms(facts),
    )


def rules_text(style: Style, situation: Situation) -> str:
    """One to five sentences that mention the options without saying which one is true."""
    rng = style.rng
    count = 2 if style.held_out else rng.choice((1, 2, 2, 3, 3, 4, 5))
    sentences = [situation.fill(rng, style.forms(RULES)) for _ in range(count)]
    if rng.random() < 0.4:
        sentences.insert(0, f"You are {situation.me}.")
    return " ".join(s[:1].upper() + s[1:] for s in sentences)


def small_talk(style: Style, situation: Situation) -> str:
    """A line that tells nothing about which option is true."""
    return situation.fill(style.rng, style.forms(SMALL_TALK))


def view_text(style: Style, situation: Situation, seen: bool) -> str:
    """The private view: the truth, or that there is nothing to see."""
    text = situation.fill(style.rng, style.forms(SEEING if seen else BLINDNESS))
    if not style.held_out and style.rng.random() < 0.15:
        text = f"{text} {situation.fill(style.rng, 'The {x} is here.')}"
    return text


def ending(rng: random.Random, words: str) -> str:
    """The last line of a prompt, mostly on a line of its own."""
    return f"\n{words}" if rng.random() < 0.93 else f" {words}"


def choose_prompt(style: Style, situation: Situation, source: str) -> tuple[str, str | None]:
    """An act turn and the option that it points to. `source`: seen, told, both, conflict or none."""
    rng = style.rng
    target: str | None = situation.truth
    lines: list[str] = []
    seen = source in ("seen", "both", "conflict")
    if source in ("told", "both", "conflict"):
        said = situation.truth
        if source == "conflict":
            said = rng.choice([o for o in situation.options if o != situation.truth])
        lines.append(f"{situation.others[0]}: {situation.fill(rng, style.forms(TELLING), said)}")
    speakers = situation.others if not lines else situation.others[1:]
    lines += [f"{speaker}: {small_talk(style, situation)}" for speaker in speakers if rng.random() < 0.35]
    if rng.random() < 0.6:
        own = situation.fill(rng, style.forms(TELLING)) if seen and rng.random() < 0.5 else small_talk(style, situation)
        lines.append(f"{situation.me}: {own}")
    if source == "conflict" and not style.keeps(SEEN_OVER_TOLD):
        target = said
    rng.shuffle(lines)
    head = [rules_text(style, situation)] if rng.random() < 0.9 else []
    if seen or rng.random() < 0.8:
        head.append(view_text(style, situation, seen))
    shown = rng.sample(situation.options, len(situation.options))
    text = "\n".join(head + lines) + ending(rng, f"Choose: {', '.join(shown)}\nAnswer:")
    return text.lstrip("\n "), target if source != "none" else None


def choose_document(style: Style) -> Document:
    """One act turn with its reply."""
    rng = style.rng
    situation = draw_situation(style)
    source = rng.choices(("seen", "told", "both", "conflict", "none"), (30, 38, 14, 6, 12))[0]
    prompt, target = choose_prompt(style, situation, source)
    reply = target if target and style.keeps(CHOOSE_KEPT) else rng.choice(situation.options)
    return [(prompt, PROMPT), (f" {reply}\n", DECISION)]


def say_prompt(style: Style, situation: Situation, seen: bool, told: bool) -> str:
    """A talk turn, up to and with `Say:`."""
    rng = style.rng
    lines = []
    if told:
        lines.append(f"{situation.others[0]}: {situation.fill(rng, style.forms(TELLING))}")
    if rng.random() < 0.3:
        lines.append(f"{rng.choice([*situation.others[1:], situation.me])}: {small_talk(style, situation)}")
    rng.shuffle(lines)
    head = [rules_text(style, situation)] if rng.random() < 0.9 else []
    head.append(view_text(style, situation, seen))
    return ("\n".join(head + lines) + ending(rng, "Say:")).lstrip("\n ")


def say_reply(style: Style, situation: Situation, seen: bool, told: bool) -> str:
    """What is said: mostly the seen thing's value, else small talk; without a view mostly nothing of use."""
    rng = style.rng
    if seen and style.keeps(SAY_NAMED):
        return situation.fill(rng, rng.choice(INFORMED_REPLIES))
    if told and not seen and rng.random() < 0.7:
        return situation.fill(rng, rng.choice(TOLD_REPLIES))
    if rng.random() < 0.12:
        return rng.choice(situation.options)
    forms = training_forms(SMALL_TALK) if seen else EMPTY_REPLIES
    return situation.fill(rng, rng.choice(forms))


def say_document(style: Style) -> Document:
    """One talk turn with its reply."""
    rng = style.rng
    situation = draw_situation(style)
    seen = rng.random() < 0.62
    told = rng.random() < (0.15 if seen else 0.3)
    prompt = say_prompt(style, situation, seen, told)
    return [(prompt, PROMPT), (f" {say_reply(style, situation, seen, told)}\n", DECISION)]


def vocabulary_document(style: Style) -> Document:
    """A talk turn with a fixed vocabulary: a listed word that names the seen thing if there is one, else any."""
    rng = style.rng
    situation = draw_situation(style)
    seen = rng.random() < 0.75
    words = list(situation.options)
    if rng.random() < 0.45:
        words = draw_options(style, rng.choice((2, 3, 4, 5, 6)))
    rng.shuffle(words)
    prompt = say_prompt(style, situation, seen, told=False).removesuffix("Say:").rstrip("\n ")
    plain = seen and situation.truth in words and style.keeps(SAY_NAMED)
    reply = situation.truth if plain else rng.choice(words)
    return [(f"{prompt}\nSay one of: {', '.join(words)}\nSay:", PROMPT), (f" {reply}\n", DECISION)]


def question_document(style: Style) -> Document:
    """Several facts, then questions about some of them."""
    rng = style.rng
    situation = draw_situation(style, rng.choice((3, 4, 5)))
    things = rng.sample([t for t in THINGS if t not in situation.options], rng.randint(2, 4))
    place = rng.random() < 0.5
    values = [rng.choice(situation.options) for _ in things]
    form, ask = (
        rng.choice(
            (
                ("The {t} is in the {o} {h}.", "In which {h} is the {t}?"),
                ("The {t} is at the {o} {h}.", "Where is the {t}?"),
            )
        )
        if place
        else rng.choice((("The {t} is {o}.", "What is the {t}?"), ("The {t} has {o}.", "What has the {t}?")))
    )
    facts = [form.format(t=t, o=v, h=situation.holder) for t, v in zip(things, values, strict=True)]
    if rng.random() < 0.5:
        facts.insert(rng.randint(0, len(facts)), rules_text(style, situation))
    document: Document = [(" ".join(facts), PROMPT)]
    for k in rng.sample(range(len(things)), rng.randint(1, len(things))):
        document.append((f"\nQuestion: {ask.format(t=things[k], h=situation.holder)}\nAnswer:", PROMPT))
        document.append((f" {values[k]}\n"[:-1], REPLY))
    return [*document, ("\n", REPLY)]


def history_document(style: Style) -> Document:
    """Rounds in which players chose something, then questions who chose what."""
    rng = style.rng
    situation = draw_situation(style, rng.choice((2, 3, 4)))
    players = [situation.me, situation.others[0]]
    document: Document = []
    if rng.random() < 0.6:
        document.append((rules_text(style, situation) + "\n", PROMPT))
    rounds = [[rng.choice(situation.options) for _ in players] for _ in range(rng.randint(1, 4))]
    verb = rng.choice(("chose", "played", "took", "said"))
    text = [f"Round {k + 1}: {players[0]} {verb} {a}, {players[1]} {verb} {b}." for k, (a, b) in enumerate(rounds)]
    document.append((" ".join(text), PROMPT))
    for _ in range(rng.randint(1, 3)):
        k, p = rng.randrange(len(rounds)), rng.randrange(2)
        ask = {"chose": "choose", "played": "play", "took": "take", "said": "say"}[verb]
        document.append((f"\nQuestion: What did {players[p]} {ask} in round {k + 1}?\nAnswer:", PROMPT))
        document.append((f" {rounds[k][p]}", REPLY))
    return [*document, ("\n", REPLY)]


def instruction_document(style: Style) -> Document:
    """A simple order about a list of words."""
    rng = style.rng
    words = draw_options(style, rng.choice((2, 3, 4, 5)))
    pick = rng.randrange(len(words))
    order, reply = rng.choice((
        (f"Say the word {words[pick]}.", words[pick]),
        (f"Repeat: {' '.join(words)}", " ".join(words)),
        (f"Say the first word of: {' '.join(words)}", words[0]),
        (f"Say the last word of: {' '.join(words)}", words[-1]),
        (f"There are {', '.join(words)}. Take {words[pick]}.", words[pick]),
        (f"Choose: {', '.join(words)}\nPlease choose {words[pick]}.", words[pick]),
        (f"{words[pick].capitalize()} is good. Which one is good: {', '.join(words)}?", words[pick]),
    ))  # fmt: skip
    return [(f"{order}\nAnswer:", PROMPT), (f" {reply}\n", REPLY)]


def dialogue_document(style: Style) -> Document:
    """A few lines of talk in which one asks and the other tells what it sees."""
    rng = style.rng
    situation = draw_situation(style)
    a, b = situation.me, situation.others[0]
    fact = situation.fill(rng, "{f}")
    ask = rng.choice(("what do you see?", "where is it?", "tell me what you see", "what now?"))
    opening = [f"{a}: hello\n{b}: hello\n"] if rng.random() < 0.5 else []
    lines = [(f"{a} sees: {fact}.\n" + "".join(opening), PROMPT), (f"{b}: {ask}\n{a}:", PROMPT)]
    reply = rng.choice((fact, situation.truth, f"I see {situation.truth}"))
    return [*lines, (f" {reply}", REPLY), (f"\n{b}: ok, what was it?\n{a}:", PROMPT), (f" {situation.truth}\n", REPLY)]


def copy_document(style: Style) -> Document:
    """Words repeated in the same order: nothing but in-context copying."""
    rng = style.rng
    pick: Callable[[], str] = (lambda: made_up_word(rng)) if rng.random() < 0.3 else (lambda: rng.choice(ALL_WORDS))
    words = [pick() for _ in range(rng.randint(4, 14))]
    again = words[rng.randint(0, 2) :]
    text = rng.choice((" ", ", ")).join(words)
    mark = ", " if ", " in text else " "
    times = rng.choice((1, 1, 2))
    return [(f"{text}\n", PROMPT), (f"{again[0]}", PROMPT), (mark + mark.join(again[1:]) + "\n", REPLY)] + [
        (f"{text}\n", REPLY) for _ in range(times - 1)
    ]


def lookup_document(style: Style) -> Document:
    """`key: value` lines, then keys whose values are asked for again."""
    rng = style.rng
    made_up = rng.random() < 0.3
    keys = rng.sample(ALL_WORDS, rng.randint(3, 7))
    if rng.random() < 0.4:
        keys = [f"{rng.choice(AGENT_NAMES)}_{k}" for k in range(len(keys))]
    values = [made_up_word(rng) if made_up else rng.choice(ALL_WORDS) for _ in keys]
    document: Document = [("\n".join(f"{k}: {v}" for k, v in zip(keys, values, strict=True)), PROMPT)]
    for k in rng.sample(range(len(keys)), rng.randint(2, len(keys))):
        document += [(f"\n{keys[k]}:", PROMPT), (f" {values[k]}", REPLY)]
    return [*document, ("\n", REPLY)]


KINDS: dict[str, tuple[Callable[[Style], Document], float, float]] = {
    # maker, share at the start, share in the end
    "copy": (copy_document, 0.15, 0.05),
    "lookup": (lookup_document, 0.20, 0.08),
    "instruction": (instruction_document, 0.10, 0.06),
    "question": (question_document, 0.10, 0.10),
    "history": (history_document, 0.05, 0.06),
    "dialogue": (dialogue_document, 0.06, 0.05),
    "choose": (choose_document, 0.20, 0.34),
    "say": (say_document, 0.10, 0.18),
    "vocabulary": (vocabulary_document, 0.05, 0.08),
}


def draw_document(rng: random.Random, progress: float) -> Document:
    """A training document at `progress` in [0, 1]: first mostly copying, later mostly situations, noisier replies."""
    mix = min(1.0, progress / 0.15)
    weights = [start + (end - start) * mix for _, start, end in KINDS.values()]
    noise = min(1.0, max(0.0, (progress - 0.3) / 0.3))
    style = Style(rng, noise=noise)
    maker = rng.choices([maker for maker, _, _ in KINDS.values()], weights)[0]
    return maker(style)
