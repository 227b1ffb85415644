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
    "drawn": (
        "Drawn games",
        "Games whose payoffs are drawn around the measured ones, as far off as the episodes leave possible.",
    ),
    "dominated": (
        "Strictly dominated",
        "A strategy against which a mixture of the player's others always pays more. Rationalizable: what is left when "
        "such strategies are dropped again and again.",
    ),
    "pareto": ("Pareto efficient", "No other profile pays someone more and nobody less."),
    "dominant": (
        "Dominant equilibria",
        "Payoff dominant: no other equilibrium pays any player more. Risk dominant, of two: the safer one, where what "
        "players lose by leaving alone has the larger product.",
    ),
    "stable": (
        "Evolutionarily stable",
        "A population that plays it keeps out every small group that plays something else.",
    ),
    "alpha_rank": (
        "Alpha-rank",
        "Where populations, one a player, spend the long run when rare mutants take over by what they earn.",
    ),
    "correlated": (
        "Correlated equilibrium",
        "A mediator recommends strategies, and nobody gains by ignoring it; coarse: by deciding so beforehand.",
    ),
    "commitment": (
        "Commitment",
        "One player commits first to a mixture that the other sees (Stackelberg); ties go the leader's way.",
    ),
    "bargaining": (
        "Nash bargaining",
        "The payoffs with the largest product of gains over what each player can secure alone.",
    ),
    "arm": ("Arm", "The same game with one thing changed about the messages. Welfare is the sum of all payoffs."),
    "meta": (
        "Changing how one talks",
        "What one agent would gain if its messages went to nobody (mute) or told something else (lying) while all else "
        "stays as it is.",
    ),
    "critic": (
        "Centralized critic",
        "A value network that sees the whole state. It exists in training only; playing needs the actors alone.",
    ),
}
