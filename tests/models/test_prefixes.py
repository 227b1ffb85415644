"""Prompts whose keys and values are kept for their owner's next turn read as if they had been read anew."""

import numpy as np
import pytest
import torch

from marl.models import LanguageModel, Row

OPTIONS = ((20, 21, 22), (20, 21, 23), (20, 24), (25,), (20,))
TURNS, OWNERS = 5, [(episode, agent) for episode in range(2) for agent in ("scout_0", "scout_1")]


def streams(count, turn):
    return [np.random.default_rng([turn, index]) for index in range(count)]


def episode(seed=0):
    """Per turn {owner: prompt}: prompts that grow by 1 to 5 tokens; owners miss turns, and one starts anew."""
    rng = np.random.default_rng(seed)
    draw = lambda low, high: tuple(rng.integers(10, 290, rng.integers(low, high)).tolist())  # noqa: E731
    shared = draw(2, 6)
    prompts = {owner: shared + draw(1, 6) for owner in OWNERS}
    for turn in range(TURNS):
        if turn == 3:
            prompts[OWNERS[1]] = prompts[OWNERS[1]][:4] + draw(2, 5)
        present = [owner for index, owner in enumerate(OWNERS) if turn == 0 or (turn + index) % 4]
        yield {owner: prompts[owner] for owner in present}
        prompts = {owner: prompt + draw(1, 6) for owner, prompt in prompts.items()}


def play(model, *, keyed, before_turn=lambda turn: None, seed=0):
    """What a model says and chooses over an episode, turn by turn, its owners in another order each time."""
    results = []
    for turn, prompts in enumerate(episode(seed)):
        before_turn(turn)
        owners = list(prompts)[:: 1 if turn % 2 else -1]
        given = [prompts[owner] for owner in owners]
        keys = {"keys": owners} if keyed else {}
        said = model.say(given, [1 + (turn + i) % 4 for i in range(len(given))], streams(len(given), turn), **keys)
        chosen = model.choose(given, [OPTIONS] * len(given), **keys)
        results.append((said, chosen))
    return results


def assert_same(first, second, atol):
    for (said, chosen), (other_said, other_chosen) in zip(first, second, strict=True):
        assert [utterance.token_ids for utterance in said] == [utterance.token_ids for utterance in other_said]
        for utterance, other in zip(said, other_said, strict=True):
            np.testing.assert_allclose(utterance.log_probs, other.log_probs, atol=atol)
        for scores, other in zip(chosen, other_chosen, strict=True):
            np.testing.assert_allclose(scores, other, atol=atol)


def tokens_read(model, play_it):
    counts = []
    embedding = model.network.get_input_embeddings()
    hook = embedding.register_forward_hook(lambda module, arguments, output: counts.append(arguments[0].numel()))
    play_it()
    hook.remove()
    return sum(counts)


@pytest.fixture(autouse=True)
def short_prompts_are_kept(monkeypatch):
    monkeypatch.setattr("marl.models.prefixes.KEPT_FROM", 1)


@pytest.fixture(autouse=True)
def nothing_left(request):
    """Family models are shared between tests: forget what they keep."""
    yield
    for name in ("family_model", "exact_family"):
        if name in request.fixturenames:
            request.getfixturevalue(name).release(OWNERS)


def test_kept_prompts_change_nothing_and_are_not_read_again(family_model):
    results = []
    anew = tokens_read(family_model, lambda: results.append(play(family_model, keyed=False)))
    kept = tokens_read(family_model, lambda: results.append(play(family_model, keyed=True)))
    assert_same(*results, 1e-5)
    assert kept < 0.75 * anew if family_model.reader.cached else kept == anew


def test_kept_prompts_change_nothing_in_float64(exact_family):
    assert_same(play(exact_family, keyed=True, seed=1), play(exact_family, keyed=False, seed=1), 1e-9)


def test_released_owners_start_anew(model):
    def release(turn):
        if turn == 2:
            model.release(OWNERS[:2])
        if turn == 4:
            model.release(OWNERS)

    assert_same(play(model, keyed=True, before_turn=release), play(model, keyed=False), 1e-5)


def test_release_forgets(llama):
    prompt = tuple(range(20, 50))
    llama.choose([prompt], [OPTIONS], keys=["a"])
    again = tokens_read(llama, lambda: llama.choose([prompt], [OPTIONS], keys=["a"]))
    llama.release(["a", "never kept"])
    anew = tokens_read(llama, lambda: llama.choose([prompt], [OPTIONS], keys=["a"]))
    assert again < len(prompt) <= anew


def adam(network):
    return torch.optim.Adam(network.parameters(), lr=0.05)


def adam_at_once(network):
    return torch.optim.Adam(network.parameters(), lr=0.05, foreach=True)


def fused_adam(network):
    return torch.optim.AdamW(network.parameters(), lr=0.05, fused=True)


def sgd(network):
    return torch.optim.SGD(network.parameters(), lr=0.5)


@pytest.mark.parametrize("optimizer", [adam, adam_at_once, fused_adam, sgd])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_nothing_is_stale_after_an_optimizer_step(folders, kind, optimizer):
    model, fresh = (LanguageModel.load(str(folders[kind])) for _ in range(2))
    untouched = play(fresh, keyed=False)

    def update(network):
        torch.manual_seed(0)
        steps = optimizer(network)

        def step(turn):
            if turn in (1, 3):
                network.zero_grad()
                network(input_ids=torch.arange(20, 40)[None]).logits.square().mean().backward()
                steps.step()

        return step

    kept = play(model, keyed=True, before_turn=update(model.network))
    assert_same(kept, play(fresh, keyed=False, before_turn=update(fresh.network)), 1e-5)
    moved = np.abs(np.concatenate(kept[1][1]) - np.concatenate(untouched[1][1])).max()
    assert moved > 1e-3, "the step changed nothing; this test shows nothing"


def test_nothing_is_stale_after_other_weights_are_loaded(llama):
    other = {name: 1.2 * weights for name, weights in llama.network.state_dict().items()}
    original = {name: weights.clone() for name, weights in llama.network.state_dict().items()}

    def load(turn):
        llama.network.load_state_dict(other if turn % 2 else original)

    kept = play(llama, keyed=True, before_turn=load)
    llama.release(OWNERS)
    assert_same(kept, play(llama, keyed=False, before_turn=load), 1e-5)


def test_training_in_between_changes_nothing(model):
    def train(turn):
        model.network.zero_grad()
        model.log_probs([Row((20, 30, 40), (20, 21)), Row((20, 30), (), OPTIONS, 1)]).log_probs.sum().backward()
        model.network.zero_grad()

    assert_same(play(model, keyed=True, before_turn=train), play(model, keyed=False), 1e-5)


def test_one_owner_may_ask_twice_in_a_batch(family_model):
    first, second = tuple(range(20, 30)), (*range(20, 26), 99, 98)
    prompts, keys = [first, second, (*first, 50)], ["a", "a", "a"]
    for _ in range(2):
        given = family_model.choose(prompts, [OPTIONS] * 3, keys=keys)
        alone = family_model.choose(prompts, [OPTIONS] * 3)
        np.testing.assert_allclose(given, alone, atol=1e-5)
    family_model.release(keys)


def test_shorter_and_unrelated_prompts_of_an_owner(family_model):
    for prompt in [tuple(range(20, 40)), tuple(range(20, 30)), (90, 91), tuple(range(20, 40)), (20,)]:
        [kept] = family_model.choose([prompt], [OPTIONS], keys=["a"])
        np.testing.assert_allclose(kept, family_model.choose([prompt], [OPTIONS])[0], atol=1e-5)
        [said] = family_model.say([prompt], [3], streams(1, 0), keys=["a"])
        assert said.token_ids == family_model.say([prompt], [3], streams(1, 0))[0].token_ids
    family_model.release(["a"])


def test_up_to_the_last_place_of_the_context(family_model):
    context = min(family_model.context, 128)
    prompt = tuple((20 + 7 * at) % 270 + 10 for at in range(context - 4))
    for size in (context // 2, context - 4):
        [kept] = family_model.say([prompt[:size]], [4], streams(1, 0), greedy=True, keys=["a"])
        assert kept.token_ids == family_model.say([prompt[:size]], [4], streams(1, 0), greedy=True)[0].token_ids
    family_model.release(["a"])


def test_short_prompts_are_read_anew(llama, monkeypatch):
    monkeypatch.setattr("marl.models.prefixes.KEPT_FROM", 20)
    for prompt, kept in ((tuple(range(20, 39)), 0), (tuple(range(20, 40)), 20)):
        llama.choose([prompt], [OPTIONS], keys=["a"])
        assert len(llama.reader.prefixes) == kept
    llama.release(["a"])


def test_owners_with_the_same_prompt_each_keep_it(llama):
    prompt = tuple(range(20, 50))
    for verb in (
        lambda: llama.say([prompt] * 3, [2] * 3, streams(3, 0), keys=["a", "b", "c"]),
        lambda: llama.choose([prompt] * 3, [OPTIONS] * 3, keys=["a", "b", "c"]),
    ):
        verb()
        llama.release(["a", "b"])
        again = tokens_read(llama, lambda: llama.choose([prompt], [OPTIONS], keys=["c"]))
        llama.release(["c"])
        assert again < len(prompt)
        assert len(llama.reader.prefixes) == 0
