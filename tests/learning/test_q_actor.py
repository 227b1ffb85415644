from __future__ import annotations

import numpy as np
import pytest
import torch
from handmade import make_turn

from marl.learning.config import MultiAgentConfig
from marl.learning.q_actor import QActor
from marl.scenario import load_scenario


@pytest.fixture(params=["network", "language_model"])
def actor(request: pytest.FixtureRequest) -> QActor:
    kind = f"policies.sender={{kind: {request.param}}}"
    scenario = load_scenario("lewis", [kind, "training.algorithm=dqn", "training.q.explore=ucb"])
    return MultiAgentConfig.for_scenario(scenario).get_multi_rl_module_spec().build()["sender"]


def turns(actor: QActor) -> list:
    """Two of three options, nobody, and one option."""
    size = getattr(getattr(actor.policy, "encoding", None), "inputs", 1)
    inputs = np.linspace(0.0, 1.0, size).astype(np.float32)
    return [
        make_turn(0, "x", option_ids=((0,), (2,)), token_ids=(2,), choice=1, inputs=inputs),
        None,
        make_turn(1, "x", option_ids=((1,),), token_ids=(1,), choice=0, inputs=inputs + 1),
    ]


def test_values_stand_where_choices_point(actor: QActor) -> None:
    given = turns(actor)
    q, legal = actor.values(actor.situations(given))
    assert q.requires_grad
    assert legal.sum(-1).tolist() == [2, 0, 1]
    chosen = torch.as_tensor(actor.choices(given))
    assert legal[torch.arange(3), chosen].tolist() == [True, False, True]
    alone, _ = actor.values(actor.situations(given[2:]))
    assert float(alone[0, chosen[2]].detach()) == pytest.approx(float(q[2, chosen[2]].detach()), abs=1e-5)


def test_nobody_at_all_has_no_legal_option(actor: QActor) -> None:
    _, legal = actor.values(actor.situations([None, None]))
    assert len(legal) == 2
    assert not legal.any()


def test_exploring_is_switched_and_counted_in_the_actors_state(actor: QActor) -> None:
    actor.explore(True)
    assert actor.policy.explore is actor.exploration
    actor.explore(False)
    assert actor.policy.explore is None
    actor.count([turn for turn in turns(actor) if turn is not None])
    assert int(actor.exploration.counts.sum()) == 2
    assert int(actor.state_dict()["exploration.counts"].sum()) == 2
