"""Games in files: JSON, CSV and Gambit's strategic form (.nfg), read and written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from marl.errors import SolverError
from marl.games.files.csv_table import format_csv, parse_csv
from marl.games.files.json_game import format_json, parse_json
from marl.games.files.nfg import format_nfg, parse_nfg
from marl.games.normal_form import NormalFormGame

READERS: dict[str, Callable[[str, str], NormalFormGame]] = {".json": parse_json, ".nfg": parse_nfg, ".csv": parse_csv}
WRITERS: dict[str, Callable[[NormalFormGame], str]] = {".json": format_json, ".nfg": format_nfg, ".csv": format_csv}
MAX_BYTES = 500_000_000

__all__ = ["READERS", "WRITERS", "read_game", "write_game"]


def read_game(path: str | Path) -> NormalFormGame:
    """The game in a file, its format told by the ending. SolverError says what is wrong and where."""
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise SolverError(f"{path}: unknown ending {path.suffix!r}; games are read from {', '.join(READERS)}")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SolverError(f"{path} has {path.stat().st_size} bytes; at most {MAX_BYTES} are read. Drop strategies")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SolverError(f"{path} cannot be read as text: {error}; name a file with a game") from error
    return reader(text, str(path))


def write_game(game: NormalFormGame, path: str | Path) -> Path:
    """Writes the game in the format that the ending tells; exact payoffs stay exact. Returns the path."""
    path = Path(path)
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        raise SolverError(f"{path}: unknown ending {path.suffix!r}; games are written to {', '.join(WRITERS)}")
    path.write_text(writer(game), encoding="utf-8")
    return path
