"""One decision per 2D track from what the witnesses say about it and its group, in log-odds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from track_persistence.core.types import BoxTrack
from track_persistence.stereo.association import Association
from track_persistence.tracking.config import Witness
from track_persistence.tracking.fusion_model import FusionModel
from track_persistence.tracking.geometry import GeometryVerdict
from track_persistence.tracking.results import Decision, Verdict, probability

Place = tuple[int, int]
"""Camera and position in its sequence of tracks."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the witnesses said about every track; an empty mapping for one that was not asked.

    statistics: log-odds. prior: log-odds of the geometry's training data. model: how several witnesses are weighed,
    None for a single one. threshold: probability from which on a track is kept.
    """

    appearance: Mapping[Place, Verdict]
    statistics: Mapping[Place, float]
    geometry: Mapping[Place, GeometryVerdict]
    prior: float
    model: FusionModel | None
    threshold: float


@dataclass(frozen=True, eq=False)
class _Weighed:
    """The numbers of one decision: log-odds by source with their `total`, and each cue's part of `geometry`."""

    log_odds: dict[str, float]
    cues: dict[str, float] | None


def decide(tracks: Sequence[Sequence[BoxTrack]], association: Association, evidence: Evidence | None) -> list[Decision]:
    """Return one decision per track, camera by camera; without evidence every track is kept.

    The members of a group are decided together. What pixels and statistics say is averaged over its views, not added,
    since they show the same thing under the same light. Several witnesses are weighed by the fusion model at the mean
    number of frames of the views; a single one counts as it is.
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
            views = [place, *((c, m) for c, m in members or () if m is not None and (c, m) != place)]
            found = _weighed(views, tracks, evidence)
            confidence = probability(found.log_odds["total"])
            seen = evidence.appearance.get(place)
            decisions.append(
                Decision(
                    camera,
                    track.track_id,
                    confidence >= evidence.threshold,
                    confidence,
                    None if seen is None else seen.attention,
                    ids,
                    pairing,
                    found.log_odds,
                    found.cues,
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


def _weighed(views: Sequence[Place], tracks: Sequence[Sequence[BoxTrack]], evidence: Evidence) -> _Weighed:
    """Weigh what is known of one track; views: its own place first, then those of its partners."""
    described: dict[str, float] = {}
    said: dict[Witness, float] = {}
    if evidence.appearance:
        by_view = [evidence.appearance[view].log_odds for view in views]
        described["own"] = by_view[0]
        if len(views) > 1:
            described["partner"] = _mean(by_view[1:])
        said["appearance"] = _mean(by_view)
    if evidence.statistics:
        said["statistics"] = _mean([evidence.statistics[view] for view in views])
    shaped = evidence.geometry.get(views[0])
    if shaped is not None:
        said["geometry"] = shaped.likelihood_ratio
    parts = {str(witness): value for witness, value in said.items()}
    weight = 1.0
    if evidence.model is not None:
        frames_seen = _mean([float(len(tracks[camera][index])) for camera, index in views])
        weights = evidence.model.weights(tuple(said), len(views))
        parts = weights.parts(parts, frames_seen)
        weight = weights.weight("geometry", frames_seen) if "geometry" in said else weight
    elif "geometry" in said:
        parts["prior"] = evidence.prior
    cues = None if shaped is None else {name: weight * value for name, value in shaped.contributions.items()}
    return _Weighed({**described, **parts, "total": sum(parts.values())}, cues)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
