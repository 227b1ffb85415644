"""Games in files: JSON, CSV, Gambit's strategic form (.nfg) and its game trees (.efg), read and written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from marl.errors import SolverError
from marl.games.extensive.game import ExtensiveGame
from marl.games.files.csv_table import format_csv, parse_csv
from marl.games.files.efg import format_efg, parse_efg
from marl.games.files.json_game import format_json, parse_json
from marl.games.files.nfg import format_nfg, parse_nfg
from marl.games.normal_form import NormalFormGame

READERS: dict[str, Callable[[str, str], NormalFormGame | ExtensiveGame]] = {
    ".json": parse_json,
    ".nfg": parse_nfg,
    ".csv": parse_csv,
    ".efg": parse_efg,
}
WRITERS: dict[str, Callable[[NormalFormGame], str]] = {".json": format_json, ".nfg": format_nfg, ".csv": format_csv}
TREE_WRITERS: dict[str, Callable[[ExtensiveGame], str]] = {".efg": format_efg}
MAX_BYTES = 500_000_000

__all__ = ["READERS", "TREE_WRITERS", "WRITERS", "read_game", "write_game"]


def read_game(path: str | Path) -> NormalFormGame | ExtensiveGame:
    """The game in a file, its format told by the ending (a tree from `.efg`). SolverError says what is wrong."""
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SolverError(f"{path}: unknown ending {path.suffix!r}; games are read from {', '.join(READERS)}")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SolverError(f"{path} has {path.stat().st_size} bytes; at most {MAX_BYTES} are read. Drop strategies")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SolverError(f"{path} cannot be read as text: {error}; name a file with a game, in UTF-8") from error
    return reader(text, str(path))


def write_game(game: NormalFormGame | ExtensiveGame, path: str | Path) -> Path:
    """Writes the game in the format that the ending tells; exact payoffs stay exact. Returns the path.

    A tree goes to `.efg`; its `reduced_normal_form` may go to the others.
    """
    path = Path(path)
    kind = "game trees" if isinstance(game, ExtensiveGame) else "games in normal form"
    writers: dict[str, Callable[..., str]] = TREE_WRITERS if isinstance(game, ExtensiveGame) else WRITERS
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise SolverError(f"{path}: unknown ending {path.suffix!r}; {kind} are written to {', '.join(writers)}")
    path.write_text(writer(game), encoding="utf-8")
    return path
