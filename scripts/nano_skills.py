"""What the nano model can do: `python scripts/nano_skills.py marl/models/nano`.

Three columns: fresh situations in the words and sentence forms of training, the same in words and forms that training
held out, and the control, an untrained copy of the network on the first. `choose/chance` is guessing among the options.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence

import nano_corpus as corpus
import torch
from nano_corpus import Situation, Style
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase


class Reader:
    """A causal language model and its tokenizer, asked for choices and for sampled replies."""

    def __init__(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self.network, self.tokenizer = network.eval(), tokenizer
        self.stop = self.ids("\n")[0]

    def ids(self, text: str) -> list[int]:
        """Token ids of `text` without a begin token."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def prompt(self, text: str) -> list[int]:
        """Token ids of `text` as a prompt, with the begin token."""
        return [self.tokenizer.bos_token_id, *self.ids(text)]

    @torch.no_grad()
    def logits(self, rows: Sequence[list[int]], last: int) -> torch.Tensor:
        """Logits [rows, last, vocabulary] at the last `last` positions of each row."""
        length = max(map(len, rows))
        batch = torch.full((len(rows), length), self.tokenizer.pad_token_id)
        for k, row in enumerate(rows):
            batch[k, : len(row)] = torch.tensor(row)
        hidden = self.network.model(batch).last_hidden_state
        ends = torch.tensor([len(row) for row in rows])
        where = ends[:, None] - last + torch.arange(last)[None]
        return self.network.lm_head(
            torch.gather(hidden, 1, where[..., None].expand(-1, -1, hidden.shape[-1]).clamp(min=0))
        )

    def choose(self, prompt: str, options: Sequence[str]) -> list[float]:
        """Probability of each option as the reply, normalized step by step over the options that are still possible."""
        start = self.prompt(prompt)
        replies = [self.ids(f" {o}\n") for o in options]
        longest = max(map(len, replies))
        rows = [start + reply for reply in replies]
        logits = self.logits(rows, longest + 1)
        chances = []
        for k, reply in enumerate(replies):
            chance = 1.0
            for step, token in enumerate(reply):
                allowed = sorted({r[step] for r in replies if r[:step] == reply[:step]})
                scores = logits[k, longest - len(reply) + step][allowed].softmax(0)
                chance *= float(scores[allowed.index(token)])
            chances.append(chance)
        return chances

    def say(self, prompts: Sequence[str], budget: int = 8, seed: int = 0) -> list[str]:
        """One sampled reply to each prompt, up to a newline or `budget` tokens."""
        generator = torch.Generator().manual_seed(seed)
        rows, done = [self.prompt(p) for p in prompts], [False] * len(prompts)
        starts = [len(row) for row in rows]
        for _ in range(budget):
            open_rows = [k for k, d in enumerate(done) if not d]
            if not open_rows:
                break
            chances = self.logits([rows[k] for k in open_rows], 1)[:, 0].softmax(-1)
            for k, token in zip(
                open_rows, torch.multinomial(chances, 1, generator=generator)[:, 0].tolist(), strict=True
            ):
                rows[k].append(token)
                done[k] = token == self.stop
        return [self.tokenizer.decode(row[start:]) for row, start in zip(rows, starts, strict=True)]


def style_of(seed: int, held_out: bool, made_up: float = 0.25) -> Style:
    """The style that measuring draws its situations in."""
    return Style(random.Random(seed), held_out=held_out, made_up=made_up)


def _choice_skills(reader: Reader, count: int, style: Style, source: str) -> dict[str, float]:
    """Mean probability of the right option, of chance, and of the largest option, for act turns from `source`."""
    right = chance = largest = 0.0
    for _ in range(count):
        situation = corpus.draw_situation(style, style.rng.choice((3, 4, 5, 6)))
        prompt, _ = corpus.choose_prompt(style, situation, source)
        chances = reader.choose(prompt, situation.options)
        right += chances[situation.options.index(situation.truth)] / count
        chance += 1 / len(situation.options) / count
        largest += max(chances) / count
    return {"right": right, "chance": chance, "largest": largest}


def _bare_word(reader: Reader, count: int, style: Style) -> float:
    """Mean probability of the option that another speaker named with one bare word, the receiver seeing nothing."""
    total = 0.0
    for _ in range(count):
        s = corpus.draw_situation(style, style.rng.choice((3, 4, 5, 6)))
        shown = style.rng.sample(s.options, len(s.options))
        head = f"{corpus.rules_text(style, s)}\n{corpus.view_text(style, s, False)}\n{s.others[0]}: {s.truth}"
        chances = reader.choose(f"{head}\nChoose: {', '.join(shown)}\nAnswer:", s.options)
        total += chances[s.options.index(s.truth)] / count
    return total


def _names(reply: str, situation: Situation) -> bool:
    return any(o in reply.replace("\n", " ").split() for o in situation.options)


def _talk_skills(reader: Reader, count: int, style: Style, seen: bool) -> dict[str, float]:
    """Shares of sampled replies that name the truth, name any option, end by themselves; and their mean length."""
    situations = [corpus.draw_situation(style, style.rng.choice((3, 4, 5, 6))) for _ in range(count)]
    replies = reader.say([corpus.say_prompt(style, s, seen, False) for s in situations])
    true = sum(s.truth in r.split() for s, r in zip(situations, replies, strict=True))
    return {
        "true": true / count,
        "any": sum(_names(r, s) for s, r in zip(situations, replies, strict=True)) / count,
        "ended": sum(r.endswith("\n") for r in replies) / count,
        "tokens": sum(len(reader.ids(r)) for r in replies) / count,
    }


def _vocabulary_skill(reader: Reader, count: int, style: Style, seen: bool) -> float:
    total = 0.0
    for _ in range(count):
        s = corpus.draw_situation(style, style.rng.choice((3, 4, 5, 6)))
        words = style.rng.sample(s.options, len(s.options))
        head = f"{corpus.rules_text(style, s)}\n{corpus.view_text(style, s, seen)}"
        chances = reader.choose(f"{head}\nSay one of: {', '.join(words)}\nSay:", s.options)
        total += chances[s.options.index(s.truth)] / count
    return total


def _answer_rate(reader: Reader, count: int, style: Style, maker: str, first: int) -> float:
    """Share of reply tokens that the model finds most likely, over whole documents of one kind."""
    hit = total = 0
    for _ in range(count):
        text: list[int] = [reader.tokenizer.bos_token_id]
        asked: list[int] = []
        for segment, weight in corpus.KINDS[maker][0](style):
            piece = reader.ids(segment)
            if weight and segment.strip():
                asked += range(len(text), len(text) + min(len(piece), first))
            text += piece
        best = reader.logits([text], len(text))[0].argmax(-1)
        hit += sum(int(best[k - 1]) == text[k] for k in asked)
        total += len(asked)
    return hit / total


def measure(reader: Reader, count: int = 200, seed: int = 1, held_out: bool = True) -> dict[str, float]:
    """Every skill with its control, each a mean over `count` fresh prompts."""
    result: dict[str, float] = {}
    for source in ("seen", "told", "both", "none"):
        skills = _choice_skills(reader, count, style_of(seed, held_out), source)
        result[f"choose/{source}"] = skills["right"]
        if source == "none":
            result |= {"choose/chance": skills["chance"], "choose/none_largest": skills["largest"]}
    result["choose/conflict_takes_seen"] = _choice_skills(reader, count, style_of(seed, held_out), "conflict")["right"]
    result["choose/told_bare_word"] = _bare_word(reader, count, style_of(seed, held_out))
    result["choose/told_made_up_word"] = _choice_skills(reader, count, style_of(seed, held_out, 1.0), "told")["right"]
    for name, seen in (("seen", True), ("blind", False)):
        skills = _talk_skills(reader, count, style_of(seed, held_out), seen)
        result |= {f"say/{name}_{key}": value for key, value in skills.items()}
        result[f"say_one_of/{name}"] = _vocabulary_skill(reader, count, style_of(seed, held_out), seen)
    for maker in ("question", "history", "lookup", "copy", "instruction"):
        result[f"{maker}/accuracy"] = _answer_rate(
            reader, count, style_of(seed, held_out), maker, 1 if maker != "copy" else 99
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="the model folder")
    parser.add_argument("--count", type=int, default=200, help="fresh prompts a skill")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(args.folder)
    trained = AutoModelForCausalLM.from_pretrained(args.folder)
    untrained = AutoModelForCausalLM.from_config(trained.config)
    known = measure(Reader(trained, tokenizer), args.count, seed=101, held_out=False)
    held_out = measure(Reader(trained, tokenizer), args.count, seed=101)
    control = measure(Reader(untrained, tokenizer), args.count, seed=101, held_out=False)
    print("| skill | words and forms of training | held out | untrained network |\n|---|---|---|---|")
    for name, value in known.items():
        print(f"| {name} | {value:.2f} | {held_out[name]:.2f} | {control[name]:.2f} |")


if __name__ == "__main__":
    main()
