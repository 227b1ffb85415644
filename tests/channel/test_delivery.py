import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marl.channel import BySender, Deaf, Delivery, Scrambled, Untouched, topology

AGENTS = ["a_0", "b_0", "c_0", "d_0"]
EDGES = st.lists(st.tuples(st.sampled_from(AGENTS), st.sampled_from(AGENTS)))
POSTS = st.lists(st.dictionaries(st.sampled_from(AGENTS), st.text(max_size=4)), min_size=1, max_size=4)
PRESENT = st.sets(st.sampled_from(AGENTS))


def run(edges, rounds, present=AGENTS, intervention=None, order=1, seed=0):
    delivery = Delivery(topology(edges, AGENTS), intervention or Untouched())
    delivery.reset(np.random.default_rng(seed))
    for number, posts in enumerate(rounds):
        for sender in list(posts)[::order]:
            delivery.post(sender, posts[sender])
        delivery.close_round(0, number, present)
    return delivery


@given(EDGES, POSTS, PRESENT)
def test_hears_who_is_present_and_has_an_edge_and_nobody_else(edges, rounds, present):
    delivery = run(edges, rounds, present)
    for agent in AGENTS:
        speakers = {speaker for speaker, hearer in edges if hearer == agent and agent in present}
        expected = [
            (number, sender, posts[sender])
            for number, posts in enumerate(rounds)
            for sender in AGENTS
            if sender in posts and (sender == agent or sender in speakers)
        ]
        assert [(m.round, m.sender, m.text) for m in delivery.inbox(agent)] == expected
    assert len(delivery.messages) == sum(map(len, rounds))
    for message in delivery.messages:
        assert set(message.hearers) <= set(present) - {message.sender}


@given(EDGES, st.dictionaries(st.sampled_from(AGENTS), st.text(max_size=4)))
def test_nothing_of_a_round_is_heard_before_it_closes(edges, posts):
    delivery = run(edges, [])
    for sender, text in posts.items():
        delivery.post(sender, text)
        assert all(delivery.inbox(agent) == () for agent in AGENTS)
        assert delivery.messages == []


@given(EDGES, POSTS, st.integers(0, 9))
def test_the_order_of_posting_changes_nothing(edges, rounds, seed):
    scrambled = Scrambled({agent: ["x", "y", "z"] for agent in AGENTS}, AGENTS)
    one, two = (run(edges, rounds, intervention=scrambled, order=order, seed=seed) for order in (1, -1))
    assert one.messages == two.messages


@given(EDGES, POSTS)
def test_scrambled_hearers_read_the_pool_and_senders_remember_themselves(edges, rounds):
    pool = {agent: [f"{agent}{n}" for n in range(3)] for agent in AGENTS}
    delivery = run(edges, rounds, intervention=Scrambled(pool, AGENTS))
    plain = run(edges, rounds)
    for agent in AGENTS:
        for message, original in zip(delivery.inbox(agent), plain.inbox(agent), strict=True):
            if message.sender == agent:
                assert message.text == message.sent == original.text
            else:
                assert message.text in pool[message.sender]
                assert message.sent == original.text
    assert [(m.sender, m.sent, m.hearers) for m in delivery.messages] == [
        (m.sender, m.text, m.hearers) for m in plain.messages
    ]


@given(EDGES, POSTS)
def test_heard_gives_the_recorded_objects(edges, rounds):
    delivery = run(edges, rounds, intervention=Scrambled({agent: ["x"] for agent in AGENTS}, AGENTS))
    recorded = {id(message) for message in delivery.messages}
    for agent in AGENTS:
        assert {id(message) for message in delivery.heard(agent)} <= recorded
        assert len(delivery.heard(agent)) == len(delivery.inbox(agent))


def test_an_inbox_empties_with_its_owners_decision_only():
    delivery = run("broadcast", [{"a_0": "x"}])
    delivery.end_decision("b_0")
    assert delivery.inbox("b_0") == ()
    assert len(delivery.inbox("a_0")) == len(delivery.inbox("c_0")) == 1


def test_reset_forgets_posts_and_messages():
    delivery = run("broadcast", [{"a_0": "x"}])
    delivery.post("b_0", "left over")
    delivery.reset(np.random.default_rng(0))
    delivery.close_round(0, 0, AGENTS)
    assert delivery.messages == []
    assert delivery.inbox("c_0") == ()


@given(EDGES, POSTS)
def test_what_is_not_let_through_is_remembered_by_its_sender_alone(edges, rounds):
    plain, deaf = run(edges, rounds), run(edges, rounds, intervention=BySender({"a_0": Deaf()}))
    assert [(m.sender, m.sent, m.text) for m in deaf.messages] == [(m.sender, m.sent, m.text) for m in plain.messages]
    for one, other in zip(plain.messages, deaf.messages, strict=True):
        assert other.hearers == (() if one.sender == "a_0" else one.hearers)
    for agent in AGENTS:
        kept = [m.sent for m in plain.inbox(agent) if m.sender != "a_0" or agent == "a_0"]
        assert [m.sent for m in deaf.inbox(agent)] == kept
