"""Words and sentence forms of the nano model's corpus: plain data, no logic.

Every list of sentence forms ends with two forms that training never shows (`training_forms`, `held_out_forms`), and
every domain in HELD_OUT_DOMAINS is shown in training only inside meaningless word lists, never as something seen,
said or chosen. The skill measurements use those held-out forms and domains.
"""

from __future__ import annotations

from collections.abc import Sequence

_DOMAINS = {
    "directions": "north east south west left right up down middle top bottom front back center",
    "colors": "red blue green yellow white black pink gray brown purple orange gold silver",
    "places": "valley hill river lake forest field cave island beach bridge village city desert mountain meadow swamp "
    "harbor garden road tower castle farm",
    "rooms": "kitchen bedroom hall attic cellar office library garage bath shop school store barn cabin",
    "animals": "stag hare fox bear wolf deer rabbit horse cow sheep goat pig dog cat mouse duck goose owl eagle crow "
    "frog snake fish whale lion tiger monkey camel",
    "tools": "hammer saw axe knife rope ladder shovel nail needle broom bucket drill wrench brush hook",
    "foods": "apple bread cheese soup rice corn bean egg milk honey cake pear plum grape lemon onion carrot potato nut",
    "shapes": "circle square star cross ring cube arrow line dot heart moon",
    "jobs": "baker farmer teacher doctor pilot sailor soldier singer writer painter driver nurse judge guard king queen",
    "containers": "box bag basket drawer jar cup pot chest barrel pocket shelf bowl crate case",
    "clothes": "hat coat shirt shoe boot glove scarf sock dress belt cap cloak",
    "weather": "rain snow wind sun fog storm cloud ice thunder frost",
    "vehicles": "car bus train boat ship plane bike truck wagon sled cart taxi",
    "days": "monday tuesday wednesday thursday friday saturday sunday",
    "times": "morning noon evening night dawn spring summer autumn winter",
    "numbers": "one two three four five six seven eight nine ten",
    "letters": "a b c d e f g h k m p q r s t x y z",
    "symbols": "alpha beta gamma delta omega sigma theta zeta",
    "plants": "rose oak pine grass tree flower leaf root fern moss lily ivy",
    "body": "hand foot head arm leg eye ear nose mouth back knee finger",
    "furniture": "table chair bed lamp sofa desk door window mirror clock carpet stove",
    "actions": "wait run jump hide swim climb sleep dance sing push pull throw catch dig build rest stay go stop turn",
    "moods": "happy sad angry calm tired brave shy proud bored hungry",
    "sizes": "big small long short tall wide thin heavy light tiny huge",
    "games": "chess cards dice ball kite drum doll puzzle",
    "choices": "share keep split steal trade sell buy give take join leave fight help trust attack defend",
    "levels": "low high fast slow hot cold warm cool full empty open shut",
    "answers": "yes no maybe never always",
    "people": "anna ben carl dora emma finn greta hugo iris jack",
    "metals": "iron copper tin zinc steel bronze lead nickel",
    "instruments": "piano violin flute guitar trumpet harp banjo organ",
    "fabrics": "silk wool cotton linen velvet leather felt lace",
    "gems": "ruby pearl opal jade amber topaz agate emerald",
}
DOMAINS: dict[str, tuple[str, ...]] = {name: tuple(words.split()) for name, words in _DOMAINS.items()}
HELD_OUT_DOMAINS = ("metals", "instruments", "fabrics", "gems")
TRAINING_DOMAINS = tuple(name for name in DOMAINS if name not in HELD_OUT_DOMAINS)

STARTERS = tuple(
    "You The Say Choose Answer Question Round Repeat Each Only One Who Both It Seen Your Now Two There All First In If "
    "Where What Which Pick Some Alone Take A This Please".split()
)
AGENT_NAMES = tuple(
    "player agent scout partner hunter speaker listener sender receiver guide worker friend neighbor buyer seller user "
    "driver helper leader team robot".split()
)
THINGS = tuple(
    "lamp key ball coin ring book letter map prize treasure stone bell flag toy bird dog cat fox bear horse hat cup box "
    "boat car clock drum kite child thief guest ship train light door message color card sign number shape word target "
    "goal state animal tool tree star king robot stag hare rabbit deer".split()
)
HOLDERS = tuple("box room valley field house garden bag drawer place corner side hill cave street tower shop".split())
GROUPS = tuple("players friends workers agents guides sailors robots people neighbors hunters farmers children".split())
SYLLABLES = tuple(
    "ba be bo da de di do fa fi ga go ka ke ki ko la le li lo lu ma me mi mo na ne ni no pa pe po ra re ri ro ru sa se "
    "si so ta te ti to va ve vi vo wa za ze zi zo".split()
)

# {t} the thing, {o} the option that is true, {h} a holder, {l} all options as a list, {g} a group, {n} a number,
# {a} {b} agent names, {x} an unrelated word, {i} {j} options that are merely mentioned.
PLACE_FACTS = (
    "the {t} is in the {o} {h}", "the {t} is at the {o} {h}", "the {t} hides in the {o} {h}", "the {o} {h} has the {t}",
    "the {t} went to the {o} {h}", "there is a {t} in the {o} {h}", "the {o} {h} holds the {t}", "a {t} near the {o} {h}",
    "the {t} was put in the {o} {h}", "the {t} stands by the {o} {h}",
)  # fmt: skip
VALUE_FACTS = (
    "the {t} is {o}", "a {o} {t}", "the {t} shows {o}", "the {t} says {o}", "the {t} is the {o}", "the {t} has {o}",
    "the {t} of today is {o}", "the {o} {t}", "{t} {o}", "{o}", "{t}: {o}", "the {t} chose {o}", "the {t} turned {o}",
    "the {t} stands for {o}",
)  # fmt: skip
SEEING = (
    "You see: {f}.", "You see {f}.", "You see that {f}.", "You know that {f}.", "You look around. You see: {f}.", "{F}.",
    "Only you know this: {f}.", "You can see {f}.", "Your view: {f}.", "You saw that {f}.", "Now {f}.", "You observe: {f}.",
    "You are told that {f}.", "Seen: {f}.",
    "You notice that {f}.", "You have found out: {f}.",
)  # fmt: skip
BLINDNESS = (
    "You see nothing.", "You see nothing.", "You do not see the {t}.", "You do not know where the {t} is.", "You see: nothing.",
    "You cannot see the {t}.", "You see nothing yet.", "You see only fog.", "You know nothing about the {t}.",
    "The {t} is hidden from you.", "You have no view of the {t}.",
)  # fmt: skip
RULES = (
    "{g} look for a {t}.", "The {t} can be in one of these: {l}.", "There are {n} of them: {l}.", "You are {a}.",
    "The other is {b}.", "The {t} is {l}.", "Each of you can choose {l}.", "Only {a} sees the {t}.", "Only one of you sees it.",
    "You are {a} and you play with {b}.", "Two {g} meet.", "One of {l} is right.", "{i} pays {n}.", "{i} gives {n} points and {j} gives {n}.",
    "Who chooses {i} gets {n}.", "All choose at the same time.", "You can talk first.", "First you talk, then you choose.",
    "This is round {n} of {n}.", "The {x} is not important.", "Both get {n} points.", "You get {n} if you are right and {n} if not.",
    "Alone you get {n}.", "The {h} can be {l}.", "{i} and {j} are far away.", "Some like {i}, some like {j}.", "Be quick.",
    "The {t} moves every day.", "It is a day of {x}.", "The {g} may go to {l}.", "Your choice is {l}.", "Your words cost nothing.",
    "The {x} and the {x} are old.", "A {t} is worth {n}.", "Nobody knows what the {x} means.", "You {g} want to find the {t}.",
    "Pick {i}: {n}. Pick {j}: {n}.", "If both choose {i}, each gets {n}.", "You work with {b}.", "Your name is {a}.",
    "Long ago the {t} was {i}.", "People here sell {x} and {x}.",
    "Everybody may pick among {l}.", "In this story {a} and {b} deal with {l}.",
)  # fmt: skip
TELLING = (
    "{o}", "{o}", "{o}", "{o}", "{o}", "{f}", "{f}", "it is {o}", "I see {o}", "go {o}", "the {o} {h}", "{o} please", "choose {o}", "take {o}",
    "I choose {o}", "let us go {o}", "I see that {f}", "the {o} one", "ok {o}", "{o} {o}", "we both choose {o}", "I will take {o}", "I say {o}",
    "hello, {f}", "the answer is {o}", "{t} {o}", "{o} now",
    "my tip is {o}", "better pick {o} today",
)  # fmt: skip
SMALL_TALK = (
    "hello", "hello", "hi", "ok", "ok", "yes", "no", "good", "thanks", "wait", "I am {a}", "how are you?", "what do you see?", "where is it?",
    "let us talk", "I am here", "good day", "what now?", "who are you?", "I like {x}", "where is the {t}?", "the {x} is nice", "{x}",
    "tell me", "I do not know", "please help", "fine", "what about the {x}?", "see you", "the {x} and the {x}",
    "have a nice day", "well well",
)  # fmt: skip
EMPTY_REPLIES = (
    "nothing", "nothing", "I see nothing", "where is it?", "what do you see?", "ok", "ok", "hello", "I do not know", "tell me",
    "where is the {t}?", "what now?", "yes", "hi", "nothing here", "who knows?", "help", "wait",
)  # fmt: skip
TOLD_REPLIES = ("{o}", "{o}", "ok", "ok", "ok {o}", "yes", "good", "thanks", "yes {o}")
INFORMED_REPLIES = (
    "{o}", "{o}", "{o}", "{o}", "{o}", "{o}", "{o}", "{o}", "it is {o}", "I see {o}", "the {o} {h}", "{t} {o}", "go {o}", "{f}", "{o} {t}",
)  # fmt: skip


def training_forms(forms: Sequence[str]) -> Sequence[str]:
    """The forms that training may use: all but the last two."""
    return forms[:-2]


def held_out_forms(forms: Sequence[str]) -> Sequence[str]:
    """The last two forms, kept for measuring."""
    return forms[-2:]


def all_words() -> list[str]:
    """Every ordinary word of the corpus, sorted, so that the tokenizer can give each one token."""
    words = (
        {w for group in DOMAINS.values() for w in group} | set(THINGS) | set(HOLDERS) | set(GROUPS) | set(AGENT_NAMES)
    )
    forms = [*PLACE_FACTS, *VALUE_FACTS, *SEEING, *BLINDNESS, *RULES, *TELLING, *SMALL_TALK, *EMPTY_REPLIES]
    for form in forms:
        text = form
        for mark in ",.:?{}":
            text = text.replace(mark, " ")
        words |= {w for w in text.split() if len(w) > 1}
    return sorted(words)
