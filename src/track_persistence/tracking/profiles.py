"""Which profile of the simulator a shard is of."""

from collections.abc import Sequence
from pathlib import Path

from track_persistence.core.errors import DataError
from track_persistence.core.storage import read_provenance

PROFILE = "profile"


def by_profile(paths: Sequence[Path]) -> dict[str, list[Path]]:
    """Return the shards of each profile, both in order; raises `DataError` when a shard names none."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        provenance = read_provenance(path)
        if PROFILE not in provenance:
            raise DataError(f"{path}: provenance names no {PROFILE}; run generate again")
        found.setdefault(provenance[PROFILE], []).append(path)
    return dict(sorted(found.items()))
