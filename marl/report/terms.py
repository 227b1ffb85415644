"""Each technical word of the report, explained once, beside the section that uses it first."""

from __future__ import annotations

TERMS: dict[str, tuple[str, str]] = {
    "payoff": (
        "Payoff",
        "The sum of one agent's rewards in an episode. Where one number stands for all agents, it is their mean.",
    ),
    "interval": (
        "Interval",
        "The range that holds the true mean at the stated confidence, given how many episodes were played.",
    ),
    "optimum": (
        "Best possible",
        "The highest mean payoff that any play can reach when the agents may talk, known from the game's rules.",
    ),
    "bound": (
        "Best without messages",
        "The highest mean payoff that any play can reach when nobody can say anything, known from the rules too.",
    ),
    "twin": (
        "Trained without",
        "The same policies, trained from the same start with the channel off. What they lack is what talk is worth.",
    ),
    "scrambled": (
        "Scrambled",
        "The trained policies play, but hearers read a message from another episode: words stay, their meaning goes.",
    ),
    "iteration": ("Iteration", "One round of playing episodes and then updating the policies from them."),
    "known": (
        "Known equilibrium",
        "An equilibrium that follows from the game's rules. Matched: the arm's payoffs fit it and no other.",
    ),
    "p": ("p", "How often chance alone would show a difference at least this large."),
    "convention": (
        "Convention",
        "Separating: each situation has its own message. Pooling: one message for all. Partial pooling lies between. "
        "Babbling: messages vary, but not with the situation.",
    ),
    "information": (
        "Mutual information",
        "How many bits a message tells about the situation. To tell two equally likely situations apart is 1 bit.",
    ),
    "null": (
        "Permutation null",
        "The bits found after shuffling messages over situations, where nothing is to be found. Only what exceeds it "
        "counts.",
    ),
    "situation": ("Situation", "The game's first state in its own words. Not every agent can see it."),
    "empirical": ("Empirical game", "A table of payoffs, measured by letting every policy meet every other one."),
    "error": ("± standard error", "How far the mean would typically move if the episodes were played again."),
    "response": ("Best response", "The choice that pays a player most while the others keep theirs."),
    "equilibrium": (
        "Nash equilibrium",
        "A profile (one strategy for each player) from which nobody gains by changing alone. Mixed: players draw from "
        "several strategies.",
    ),
    "regret": (
        "Regret",
        "What a player would gain by its best change. NashConv is the sum over players: 0 at an equilibrium.",
    ),
    "sink": ("Sink", "Profiles that best responses, once there, never leave."),
    "welfare": ("Social optimum", "The profile with the largest sum of payoffs."),
    "anarchy": (
        "Price of anarchy",
        "The social optimum's sum divided by the worst equilibrium's; the price of stability divides by the best "
        "one's. At 1 nothing is lost.",
    ),
    "critic": (
        "Centralized critic",
        "A value network that sees the whole state. It exists in training only; playing needs the actors alone.",
    ),
}
