from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from marl.compression import CARD, distill_policy, export_policy, recorded_lessons, trained_policy
from marl.errors import ModelError, StoreError
from marl.models import LanguageModel
from marl.models.distill import agreement, new_student
from marl.models.loading import NANO
from marl.models.quantize import count_weights, is_int8
from marl.policies import build_policies
from marl.rollout import play
from marl.scenario import load_scenario
from marl.store import RunDirectory


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marl.compression.measure.SECONDS", 0.01)


def weights(folder: Path) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in LanguageModel.load(str(folder)).network.state_dict().items()}


def test_a_plain_export_is_the_policy_itself(copy: RunDirectory) -> None:
    folder, card = export_policy(copy, "sender")
    assert folder == copy.path / "exports" / "sender"
    assert card is None
    one, other = weights(folder), weights(copy.path / "policies" / "sender")
    assert one.keys() == other.keys()
    assert all((one[name] == other[name]).all() for name in one)


def test_an_int8_export_plays_and_is_measured(copy: RunDirectory) -> None:
    folder, card = export_policy(copy, "receiver", int8=True)
    assert folder == copy.path / "exports" / "receiver-int8"
    assert is_int8(folder)
    assert card is not None
    assert json.loads((folder / CARD).read_text()) == card
    assert (card["kind"], card["policy"], card["scenario"]) == ("int8", "receiver", "lewis")
    assert card["trained"]["parameters"] == card["compressed"]["parameters"] == 694_656
    assert card["compressed"]["weights_bytes"] < 0.27 * card["trained"]["weights_bytes"]
    assert card["agreement"]["kl"] < 0.01
    assert abs(card["return_difference"]["mean"]) <= 0.25
    scenario = load_scenario("lewis", [f"policies.{name}.model={folder}" for name in ("sender", "receiver")])
    (episode,) = play(scenario, build_policies(scenario, seed=0), [0], seed=0)
    assert episode.outcome == "terminated"
    assert len(episode.turns) == 2


def test_an_int8_folder_in_place_of_the_policy_plays_the_run(copy: RunDirectory) -> None:
    folder, _ = export_policy(copy, "receiver", int8=True)
    target = copy.path / "policies" / "receiver"
    target.rename(copy.path / "float")
    folder.rename(target)
    policies = build_policies(copy.scenario(), seed=0, trained=copy.path / "policies")
    assert is_int8(target)
    assert len(play(copy.scenario(), policies, range(4), seed=0)) == 4


def test_distilling_gives_a_smaller_policy_that_is_nearer_than_an_untrained_one(copy: RunDirectory) -> None:
    seen: list[int] = []
    folder, card = distill_policy(
        copy, "receiver", layers=1, width=32, steps=60, on_step=lambda step, kl: seen.append(step)
    )
    assert folder == copy.path / "exports" / "receiver-distilled"
    assert seen == list(range(1, 61))
    assert json.loads((folder / CARD).read_text()) == card
    assert (card["kind"], card["training"]["layers"], card["training"]["width"]) == ("distilled", 1, 32)
    assert card["training"]["lessons"] == 8 + 4 * 16, "the recorded ones, and four rounds of fresh episodes"
    assert card["training"]["last_kl"] < card["training"]["first_kl"]
    assert card["compressed"]["parameters"] < card["trained"]["parameters"] / 5
    teacher, student = (LanguageModel.load(str(path)) for path in (copy.path / "policies/receiver", folder))
    control = new_student(teacher, layers=1, width=32, seed=99)
    rows = recorded_lessons(copy, "receiver")
    taught, untaught = (agreement(teacher, model, rows, temperature=1.0).kl for model in (student, control))
    assert taught < untaught / 2


def test_half_of_the_network_is_the_default_student_and_int8_makes_it_smaller_still(copy: RunDirectory) -> None:
    folder, card = distill_policy(copy, "sender", steps=2, int8=True, out=copy.path / "half")
    assert (card["kind"], card["training"]["layers"], card["training"]["width"]) == ("distilled, int8", 1, 64)
    assert is_int8(folder)
    model = LanguageModel.load(str(folder))
    assert count_weights(model.network) == card["compressed"]["parameters"]
    assert card["compressed"]["weights_bytes"] < 2 * card["compressed"]["parameters"]


def test_a_student_that_is_not_smaller_is_refused(copy: RunDirectory) -> None:
    with pytest.raises(ModelError, match=r"4 layers of width 128 have \d+ weights.*fewer layers"):
        distill_policy(copy, "sender", layers=4, width=128, steps=1)
    with pytest.raises(ModelError, match="layers >= 1"):
        distill_policy(copy, "sender", layers=0, steps=1)
    assert not (copy.path / "exports").exists(), "nothing is written before there is something to write"


def test_an_int8_policy_is_not_made_int8_again(copy: RunDirectory) -> None:
    folder, _ = export_policy(copy, "receiver", int8=True)
    target = copy.path / "policies" / "receiver"
    target.rename(copy.path / "float")
    folder.rename(target)
    with pytest.raises(ModelError, match="int8 already"):
        export_policy(copy, "receiver", int8=True, out=copy.path / "again")


def test_an_existing_folder_is_never_replaced(copy: RunDirectory) -> None:
    before = sorted(path.name for path in copy.path.iterdir())
    for make in (export_policy, distill_policy):
        with pytest.raises(StoreError, match="exists already"):
            make(copy, "sender", out=copy.path)
    assert sorted(path.name for path in copy.path.iterdir()) == before


def test_which_policy_is_meant(copy: RunDirectory, tmp_path: Path) -> None:
    policy, policies = trained_policy(copy, "sender")
    assert policy is policies["sender"]
    with pytest.raises(StoreError, match="--policy: receiver, sender"):
        trained_policy(copy, None)
    with pytest.raises(StoreError, match="no policy 'nobody'; it trained: receiver, sender"):
        trained_policy(copy, "nobody")
    empty = RunDirectory.create(tmp_path / "empty", copy.scenario())
    with pytest.raises(StoreError, match="marl train"):
        trained_policy(empty, None)
    single = RunDirectory.create(tmp_path / "single", load_scenario("scout_hunt"))
    LanguageModel.load("nano").save(single.path / "policies" / "hunter")
    assert trained_policy(single, None)[0].name == "hunter"
    LanguageModel.load("nano").save(single.path / "policies" / "stranger")
    with pytest.raises(StoreError, match="no policy of the scenario"):
        trained_policy(single, "stranger")


def test_an_adapter_is_compressed_with_its_base(copy: RunDirectory) -> None:
    target = copy.path / "policies" / "receiver"
    shutil.rmtree(target)
    model = LanguageModel.load("nano")
    model.add_adapter("receiver", rank=4, alpha=8)
    with torch.no_grad():
        for parameter in model.adapter_parameters("receiver").values():
            parameter.add_(0.1)
    model.save_adapter("receiver", target)
    policy, policies = trained_policy(copy, "receiver")
    assert policies["receiver"] is policy
    assert policy.adapter is None
    folder, card = export_policy(copy, "receiver", int8=True)
    assert is_int8(folder)
    assert card is not None
    assert card["trained"]["parameters"] == 694_656
    assert card["trained"]["weights_bytes"] > 4 * 694_656
    assert card["agreement"]["kl"] < 0.05
    plain, _ = export_policy(copy, "receiver")
    assert any(
        (one != two).any() for one, two in zip(weights(plain).values(), weights(Path(NANO)).values(), strict=True)
    )
