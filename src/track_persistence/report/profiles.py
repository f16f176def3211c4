"""The profiles that results are scored apart by, and the part of a stage's numbers on one of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from track_persistence.core.errors import StorageError

Columns = Mapping[str, Sequence[str]]
MATCHED, NOMINAL, RECORDINGS = "matched", "nominal", "recordings"
PROFILES = (MATCHED, NOMINAL, RECORDINGS)
NAMES = {MATCHED: "Matched profile", NOMINAL: "Nominal profile", RECORDINGS: "Labelled recordings"}
TEXTS = {
    MATCHED: "Real objects and ghosts last equally long, and their confidences and box sizes overlap. What length or "
    "confidence alone can tell is in the tables, beside the filter.",
    NOMINAL: "The recipe of the specification: real objects last long, ghosts are brief, noise is there for one frame. "
    "Counting frames nearly solves it, so what is said of whole tracks here says little about appearance.",
    RECORDINGS: "Real footage, from one camera: a scene here is a block of time of a labelled recording. Its blocks "
    "show the same place, whether they train or test, so what is said here holds for that place and detector alone. "
    "Tracks without a clear label are left out, and false ones are clutter or, when brief, noise.",
}
# What `train.source` of the params is called.
SOURCES = {
    "simulation": "simulated scenes alone",
    "recordings": "labelled recordings alone",
    "both": "simulated scenes and labelled recordings",
}


def profiles_of(content: Mapping[str, Any], origin: str) -> list[str]:
    """Return the profiles that `content` has results of, the matched one first; raises `StorageError` for none."""
    found = [name for name in PROFILES if name in content]
    if not found:
        raise StorageError(f"{origin}: holds no profile out of {', '.join(PROFILES)}; run the stage that writes it")
    return found


def rows_where(columns: Columns, wanted: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the lines of a table of text that have the wanted cell in every named column, without these columns."""
    count = len(next(iter(columns.values())))
    rows = [row for row in range(count) if all(columns[name][row] == cell for name, cell in wanted.items())]
    return {name: [cells[row] for row in rows] for name, cells in columns.items() if name not in wanted}
