from pathlib import Path

import pytest
from known_trees import kuhn_poker

from marl.errors import SolverError
from marl.games.extensive import ExtensiveGame
from marl.games.files import WRITERS, read_game, write_game
from marl.games.normal_form import NormalFormGame


@pytest.mark.parametrize("ending", sorted(WRITERS))
def test_the_ending_tells_the_format(ending: str, tmp_path: Path) -> None:
    game = NormalFormGame([[["9/4", 0], [1, 2]], [[0, 1], ["1/3", 2]]], ["a", "b"], [["u", "v"], ["l", "r"]])
    again = read_game(write_game(game, tmp_path / f"game{ending}"))
    assert (again.payoffs == game.payoffs).all()
    assert (again.players, again.strategies) == (game.players, game.strategies)


def test_trees_have_a_format_of_their_own(tmp_path: Path) -> None:
    again = read_game(write_game(kuhn_poker(), tmp_path / "kuhn.EFG"))
    assert isinstance(again, ExtensiveGame)
    assert again.nodes == kuhn_poker().nodes
    with pytest.raises(SolverError, match="game trees are written to"):
        write_game(kuhn_poker(), tmp_path / "kuhn.nfg")
    with pytest.raises(SolverError, match="games in normal form are written to"):
        write_game(NormalFormGame([[1]]), tmp_path / "game.efg")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SolverError, match="cannot be read"):
        read_game(tmp_path / "none.nfg")
    with pytest.raises(SolverError, match=r"unknown ending '.txt'; games are read from .json, .nfg, .csv, .efg"):
        read_game(tmp_path / "game.txt")
    with pytest.raises(SolverError, match="are written to"):
        write_game(NormalFormGame([[1]]), tmp_path / "game.txt")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SolverError, match=r"cannot be read as text.*in UTF-8"):
        read_game(tmp_path / "bytes.json")


@pytest.mark.parametrize("ending", sorted(WRITERS))
def test_the_mark_that_some_programs_put_before_a_text_is_no_part_of_it(ending: str, tmp_path: Path) -> None:
    path = write_game(NormalFormGame([[1, 2]]), tmp_path / f"game{ending}")
    path.write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert read_game(path).players == ("player_0",)
