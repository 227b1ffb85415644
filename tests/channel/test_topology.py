import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl.channel import topology
from marl.errors import ChannelError
from marl.settings import EdgeList

AGENTS = ["a_0", "b_0", "c_0"]


def test_broadcast_is_the_complete_graph_and_none_the_empty_one():
    assert nx.utils.graphs_equal(topology("broadcast", AGENTS), nx.complete_graph(AGENTS, nx.DiGraph))
    assert list(topology("none", AGENTS).edges) == []
    assert list(topology("none", AGENTS)) == AGENTS


@pytest.mark.parametrize(
    "spec",
    [
        [["a_0", "b_0"]],
        [("a_0", "b_0")],
        EdgeList(edges=[("a_0", "b_0")]),
        nx.DiGraph([("a_0", "b_0"), ("b_0", "b_0")]),
    ],
)
def test_edges_in_any_form(spec):
    graph = topology(spec, AGENTS)
    assert list(graph.edges) == [("a_0", "b_0")]
    assert list(graph) == AGENTS, "agents without an edge are there too, in the env's order"


@given(st.lists(st.tuples(st.sampled_from(AGENTS), st.sampled_from(AGENTS))))
def test_keeps_exactly_the_edges_between_different_agents(edges):
    assert set(topology(edges, AGENTS).edges) == {(u, v) for u, v in edges if u != v}


def test_does_not_change_the_graph_that_was_given():
    given_graph = nx.DiGraph([("a_0", "a_0")])
    topology(given_graph, AGENTS)
    assert list(given_graph.edges) == [("a_0", "a_0")]


@pytest.mark.parametrize("spec", [[["a_0", "b_1"]], nx.DiGraph([("a_0", "b_1")])])
def test_unknown_agents_are_named_with_those_that_exist(spec):
    with pytest.raises(ChannelError, match=r"\['b_1'\].*\['a_0', 'b_0', 'c_0'\].*did you mean 'b_0'"):
        topology(spec, AGENTS)


@pytest.mark.parametrize("spec", ["ring", 3, None, ["a_0"], [["a_0", "b_0", "c_0"]], [["a_0"]]])
def test_other_things_are_refused(spec):
    with pytest.raises(ChannelError, match='"broadcast", "none", a list of'):
        topology(spec, AGENTS)


def test_undirected_graphs_are_refused():
    with pytest.raises(ChannelError, match="to_directed"):
        topology(nx.Graph([("a_0", "b_0")]), AGENTS)
