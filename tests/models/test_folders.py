import pytest

from marl.models.folders import replaced


def test_a_folder_appears_when_it_is_complete(tmp_path):
    target = tmp_path / "deep" / "model"
    with replaced(target) as part:
        (part / "weights").write_text("new")
        assert not target.exists()
    assert (target / "weights").read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_it_takes_the_place_of_the_old_one(tmp_path):
    for text in ("old", "new"):
        with replaced(tmp_path / "model") as part:
            (part / text).write_text(text)
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["new"]


def test_a_failure_leaves_the_old_one_as_it_was(tmp_path):
    with replaced(tmp_path / "model") as part:
        (part / "old").write_text("old")

    def fail():
        with replaced(tmp_path / "model") as part:
            (part / "half").write_text("half")
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        fail()
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "old"]
