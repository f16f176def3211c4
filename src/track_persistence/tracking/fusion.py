"""One decision per 2D track from what its pixels say and what the geometry of its group says, in log-odds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from track_persistence.core.types import BoxTrack
from track_persistence.stereo.association import Association
from track_persistence.tracking.geometry import GeometryVerdict
from track_persistence.tracking.results import Decision, Verdict, probability

Place = tuple[int, int]
"""Camera and position in its sequence of tracks."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the judges said about every track: pixels, geometry or both; an empty mapping where one was not asked.

    prior: log-odds of the geometry's training data. threshold: probability from which on a track is kept.
    """

    appearance: Mapping[Place, Verdict]
    geometry: Mapping[Place, GeometryVerdict]
    prior: float
    threshold: float


def decide(tracks: Sequence[Sequence[BoxTrack]], association: Association, evidence: Evidence | None) -> list[Decision]:
    """Return one decision per track, camera by camera; without evidence every track is kept.

    The members of a group are decided together. The views' appearance log-odds are averaged, not added, since they show
    the same thing under the same light; geometry then adds its likelihood ratio, and alone also its prior.
    """
    partners = _partners(association)
    decisions = []
    for camera, own in enumerate(tracks):
        for index, track in enumerate(own):
            place = (camera, index)
            members = partners.get(place)
            ids = None if members is None else tuple(None if m is None else tracks[c][m].track_id for c, m in members)
            pairing = association.explain(camera, index)
            if evidence is None:
                decisions.append(Decision(camera, track.track_id, True, None, None, ids, pairing, None, None))
                continue
            log_odds = _log_odds(place, members, evidence)
            confidence = probability(log_odds["total"])
            seen, shaped = evidence.appearance.get(place), evidence.geometry.get(place)
            decisions.append(
                Decision(
                    camera,
                    track.track_id,
                    confidence >= evidence.threshold,
                    confidence,
                    None if seen is None else seen.attention,
                    ids,
                    pairing,
                    log_odds,
                    None if shaped is None else shaped.contributions,
                )
            )
    return decisions


def _partners(association: Association) -> dict[Place, tuple[tuple[int, int | None], ...]]:
    return {
        (camera, member): tuple(enumerate(group.members))
        for group in association.groups
        for camera, member in enumerate(group.members)
        if member is not None
    }


def _log_odds(place: Place, members: tuple[tuple[int, int | None], ...] | None, evidence: Evidence) -> dict[str, float]:
    found: dict[str, float] = {}
    if evidence.appearance:
        own = evidence.appearance[place].log_odds
        others = [
            evidence.appearance[camera, member].log_odds
            for camera, member in members or ()
            if member is not None and (camera, member) != place
        ]
        found["own"] = own
        if others:
            found["partner"] = sum(others) / len(others)
        found["appearance"] = (own + sum(others)) / (1 + len(others))
    total = found.get("appearance", 0.0)
    if evidence.geometry:
        found["geometry"] = evidence.geometry[place].likelihood_ratio
        total += found["geometry"]
        if not evidence.appearance:
            found["prior"] = evidence.prior
            total += evidence.prior
    return found | {"total": total}
