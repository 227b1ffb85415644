from dataclasses import replace

import numpy as np
import pytest
import torch

from marl.errors import ModelError
from marl.models import LanguageModel, Row
from marl.models.distill import agreement, distill, distributions, divergence, new_student
from marl.models.quantize import count_weights

OPTIONS = ((10,), (10, 11), (12, 13), (12, 14))
LAST = ((40,), (41,))


def rngs(count):
    return [np.random.default_rng(index) for index in range(count)]


def recorded(model, prompts):
    """What `model` says and chooses after each prompt, as rows."""
    said = model.say(prompts, [3] * len(prompts), rngs(len(prompts)))
    rows = [Row(prompt, utterance.token_ids) for prompt, utterance in zip(prompts, said, strict=True)]
    return rows + [Row(prompt, (), OPTIONS if i % 2 else LAST, 0) for i, prompt in enumerate(prompts)]


def untrained(teacher, seed=0):
    return new_student(teacher, layers=1, width=16, seed=seed)


@pytest.fixture
def prompts():
    """Prompts that say who asks and what was seen: two tokens that matter, and some that are the same everywhere."""
    return [(5, 6, kind, 7, seen, 8) for kind in (20, 21, 22) for seen in range(30, 42)]


def test_the_student_is_a_smaller_llama_with_the_same_tokenizer(model):
    student = untrained(model)
    assert student.network.config.model_type == "llama"
    assert count_weights(student.network) < count_weights(model.network)
    assert student.tokenizer is model.tokenizer
    assert student.stop_id == model.stop_id
    assert student.context == model.context
    assert student.network.get_input_embeddings().weight.shape == (len(model.tokenizer), 16)


def test_student_weights_come_from_the_seed_alone(llama):
    torch.manual_seed(5)
    one = untrained(llama).network.state_dict()
    torch.manual_seed(6)
    again, other = untrained(llama).network.state_dict(), untrained(llama, seed=1).network.state_dict()
    assert all(value.equal(again[name]) for name, value in one.items())
    assert not all(value.equal(other[name]) for name, value in one.items())


@pytest.mark.parametrize(("layers", "width"), [(0, 16), (1, 0), (1, 20), (1, -16)])
def test_impossible_shapes_are_refused(llama, layers, width):
    with pytest.raises(ModelError, match="multiple of 16"):
        new_student(llama, layers=layers, width=width, seed=0)


def test_choices_are_those_of_choose_and_tokens_those_of_the_network(model, plain_log_probs, prompts):
    rows = recorded(model, prompts[:4])
    with torch.no_grad():
        tables = distributions(model, rows, 0.7)
    for row, table in zip(rows[:4], tables, strict=False):
        assert len(table) == len(row.token_ids)
        for count, given in enumerate(table):
            expected = plain_log_probs(model.network, row.prompt_ids + row.token_ids[:count], 0.7).detach()
            torch.testing.assert_close(given, expected, atol=1e-4, rtol=0)
    expected = model.choose(prompts[:4], [LAST, OPTIONS, LAST, OPTIONS], temperature=0.7)
    for given, table in zip(expected, tables[4:], strict=True):
        np.testing.assert_allclose(table[0], given, atol=1e-5)


def test_the_order_of_rows_is_kept(model, prompts):
    rows = recorded(model, prompts[:4])
    order = [5, 0, 6, 3, 1, 7, 2, 4]
    with torch.no_grad():
        there, here = distributions(model, rows, 1.0), distributions(model, [rows[i] for i in order], 1.0)
    for index, table in zip(order, here, strict=True):
        torch.testing.assert_close(table, there[index], atol=1e-5, rtol=0)


def test_divergence_is_that_of_the_definition():
    p, q = torch.tensor([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]), torch.tensor([[0.25, 0.25, 0.5], [0.5, 0.25, 0.25]])
    expected = [0.5 * np.log(2) + 0.25 * np.log(0.5), np.log(2)]
    floor = 1e-30
    given = divergence([p.clamp_min(floor).log()], [q.log()])
    np.testing.assert_allclose(given, expected, atol=1e-6)


def test_a_model_agrees_with_itself_and_not_with_a_random_student(llama, prompts):
    rows = recorded(llama, prompts)
    alike, other = (
        agreement(llama, llama, rows, temperature=1.0),
        agreement(llama, untrained(llama), rows, temperature=1),
    )
    assert (alike.same, alike.decisions) == (1.0, sum(len(row.token_ids) or 1 for row in rows))
    assert alike.kl == pytest.approx(0, abs=1e-6)
    assert other.same < 0.9
    assert other.kl > 0.05
    in_parts = agreement(llama, untrained(llama), rows, temperature=1.0, batch=7)
    assert in_parts.kl == pytest.approx(other.kl, abs=1e-5)
    assert in_parts.same == pytest.approx(other.same)


def test_distilling_brings_held_out_prompts_nearer_than_the_untrained_student_is(model, prompts):
    rows, held_out = recorded(model, prompts[::2]), recorded(model, prompts[1::2])
    student, control = untrained(model), untrained(model)
    history = distill(model, student, rows, steps=150, batch=32, lr=5e-3)
    taught = agreement(model, student, held_out, temperature=1.0)
    random = agreement(model, control, held_out, temperature=1.0)
    assert len(history) == 150
    assert np.mean(history[-10:]) < 0.5 * np.mean(history[:3])
    assert taught.kl < 0.7 * random.kl
    assert taught.same > random.same


def test_the_teacher_is_left_as_it_was(llama, prompts):
    before = {name: value.clone() for name, value in llama.network.state_dict().items()}
    steps = []
    distill(llama, untrained(llama), recorded(llama, prompts[:4]), steps=2, on_step=lambda n, kl: steps.append((n, kl)))
    assert all(value.equal(before[name]) for name, value in llama.network.state_dict().items())
    assert [number for number, _ in steps] == [1, 2]
    assert all(kl > 0 for _, kl in steps)


def test_what_the_teacher_gives_is_computed_once_and_the_same_without_room_to_keep_it(llama, prompts, monkeypatch):
    rows, reads = recorded(llama, prompts[:6]), []
    read = llama.reader.read
    monkeypatch.setattr(llama.reader, "read", lambda readings: reads.append(len(readings)) or read(readings))
    kept = untrained(llama)
    distill(llama, kept, rows, steps=12, batch=32)
    assert len(reads) < 6, "12 rows are soon all known"
    reads.clear()
    monkeypatch.setattr("marl.models.distill.REMEMBERED", 0)
    forgotten = untrained(llama)
    distill(llama, forgotten, rows, steps=12, batch=32)
    assert len(reads) == 12
    torch.testing.assert_close(kept.network.state_dict(), forgotten.network.state_dict(), atol=1e-3, rtol=0)


def test_an_adapter_of_the_teacher_is_what_is_taught(llama, prompts):
    llama.add_adapter("loud", rank=4)
    for name, parameter in llama.adapter_parameters("loud").items():
        if "lora_B" in name:
            parameter.data.normal_(std=0.5, generator=torch.Generator().manual_seed(0))
    base = recorded(llama, prompts)[len(prompts) :]
    loud = [replace(row, adapter="loud") for row in base]
    student = untrained(llama)
    distill(llama, student, loud, steps=80, batch=32, lr=5e-3)
    with_it, without = (agreement(llama, student, rows, temperature=1.0).kl for rows in (loud, base))
    assert with_it < without / 2


def test_the_same_seed_gives_the_same_student(llama, prompts):
    rows = recorded(llama, prompts[:8])
    one, two, other = (untrained(llama) for _ in range(3))
    for student, seed in ((one, 3), (two, 3), (other, 4)):
        distill(llama, student, rows, steps=3, batch=4, seed=seed)
    states = [student.network.state_dict()["model.norm.weight"] for student in (one, two, other)]
    assert states[0].equal(states[1])
    assert not states[0].equal(states[2])


def test_the_temperature_that_is_taught_is_the_one_asked_for(llama, prompts):
    rows = recorded(llama, prompts)
    students = {t: untrained(llama) for t in (0.3, 3.0)}
    for temperature, student in students.items():
        distill(llama, student, rows, steps=80, batch=32, lr=5e-3, temperature=temperature)
    for temperature, mine, others in ((0.3, students[0.3], students[3.0]), (3.0, students[3.0], students[0.3])):
        own, wrong = (agreement(llama, student, rows, temperature=temperature).kl for student in (mine, others))
        assert own < wrong


def test_rows_without_a_decision_are_refused(llama):
    with pytest.raises(ModelError, match="nothing to learn"):
        distill(llama, untrained(llama), [Row((5, 6), (), ((10,),), 0)], steps=1)
    with pytest.raises(ModelError, match="no decision"):
        distributions(llama, [], 1.0)
    with pytest.raises(ModelError, match="no decision"):
        distributions(llama, [Row((5, 6))], 1.0)
    assert agreement(llama, llama, [Row((5, 6), (), ((10,),), 0)], temperature=1.0).decisions == 0


def test_a_student_is_saved_and_loaded_like_any_model(llama, prompts, tmp_path):
    student = untrained(llama)
    distill(llama, student, recorded(llama, prompts[:4]), steps=2)
    student.save(tmp_path / "student")
    again = LanguageModel.load(str(tmp_path / "student"))
    one, other = (m.choose(prompts[:3], [OPTIONS] * 3) for m in (student, again))
    np.testing.assert_array_equal(one, other)
