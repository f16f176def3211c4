"""What geometry said of the tracks of held-back scenes: a table that stage `geometry` writes and stage `fuse` reads."""

import csv
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from track_persistence.core.errors import StorageError
from track_persistence.core.files import write_text

WHOLE = "whole"


@dataclass(frozen=True)
class HeldVerdict:
    """One track of a validation or test scene at one age.

    age: observed frames after which the track was judged, `whole` for the end of its scene. hits, partner_hits: frames
    seen by then of the track and of the partner in its group, 0 and id None without one. ghost: value of the track's
    `Ghost`. likelihood_ratio: of geometry, natural logarithm.
    """

    profile: str
    split: str
    scene_id: int
    camera: int
    track_id: int
    age: str
    hits: int
    partner_id: int | None
    partner_hits: int
    ghost: str
    likelihood_ratio: float


COLUMNS = tuple(field.name for field in fields(HeldVerdict))


def write_verdicts(path: Path, verdicts: Iterable[HeldVerdict]) -> None:
    """Write the table as CSV, atomically; numbers keep all their digits, no partner is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(asdict(verdict).values() for verdict in verdicts)
    write_text(path, text.getvalue())


def read_verdicts(path: Path) -> list[HeldVerdict]:
    """Read what `write_verdicts` wrote; raises `StorageError` naming file, line and rule."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}; run stage `geometry`") from error
    reader = csv.DictReader(lines)
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise StorageError(f"{path}: expected the columns {', '.join(COLUMNS)}; run stage `geometry` again")
    found = []
    for row in reader:
        try:
            found.append(_verdict(row))
        except (TypeError, ValueError) as error:
            raise StorageError(f"{path}: line {reader.line_num}: {error}; run stage `geometry` again") from error
    return found


def _verdict(row: dict[str, str]) -> HeldVerdict:
    return HeldVerdict(
        row["profile"],
        row["split"],
        int(row["scene_id"]),
        int(row["camera"]),
        int(row["track_id"]),
        row["age"],
        int(row["hits"]),
        int(row["partner_id"]) if row["partner_id"] else None,
        int(row["partner_hits"]),
        row["ghost"],
        float(row["likelihood_ratio"]),
    )
