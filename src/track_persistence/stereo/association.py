"""Which tracks of the cameras are one thing: whole tracks, at most one per camera, or none at all.

Tracks are compared pair by pair of cameras (`pair_evidence`), scored with the offset that all partners of two cameras
share (`scoring`), and joined into groups that contradict no pair (`grouping`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from track_persistence.core.errors import DataError
from track_persistence.core.rig import CameraRig
from track_persistence.core.types import BoxTrack
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.grouping import CameraPair, Place, group
from track_persistence.stereo.observations import check_in_image
from track_persistence.stereo.pair_evidence import PairEvidence, pair_evidence
from track_persistence.stereo.pixels import FloatArray
from track_persistence.stereo.scoring import Bias, score


@dataclass(frozen=True)
class Group:
    """Tracks that are one thing.

    members: position of its track in each camera's sequence, None where it has none; at least two are there.
    log_likelihood_ratio: one thing against unrelated, natural logarithm, summed over its pairs of cameras.
    joint_frames: frames that at least two members saw.
    """

    members: tuple[int | None, ...]
    log_likelihood_ratio: float
    joint_frames: int


@dataclass(frozen=True, eq=False)
class Association:
    """The groups, and the tracks without partner as positions in each camera's sequence.

    log_likelihood_ratios: by pair of cameras (i < j), (n_i, n_j) one thing against unrelated, natural logarithm, -inf
    where a gate forbids the pair. evidence: what they are made of. biases: by pair of cameras, the offset of partners
    from their epipolar lines. track_ids: by camera.
    """

    groups: tuple[Group, ...]
    unpaired: tuple[tuple[int, ...], ...]
    log_likelihood_ratios: Mapping[CameraPair, FloatArray]
    evidence: Mapping[CameraPair, PairEvidence]
    biases: Mapping[CameraPair, Bias]
    track_ids: tuple[tuple[int, ...], ...]
    config: StereoConfig

    def explain(self, camera: int, index: int) -> str:
        """Say in one sentence why the track at `index` of `camera` has its partners, or none."""
        place = (camera, index)
        own = self._group_of(place)
        if own is not None:
            others = [self._name(other) for other in _places(own) if other != place]
            return (
                f"paired with {' and '.join(others)}: log-likelihood ratio {own.log_likelihood_ratio:.1f} over "
                f"{_counted(own.joint_frames, 'joint frame')}"
            )
        best = self._best_candidate(place)
        if best is None:
            return "no partner: no track of another camera was seen in the same frames"
        return f"no partner: {self._objection(place, best)}"

    def _best_candidate(self, place: Place) -> Place | None:
        """Return the track with joint frames that scores best; where gates forbid all, the one nearest to passing."""
        camera, index = place
        found = []
        for pair, evidence in self.evidence.items():
            if camera in pair:
                at = (index, slice(None)) if camera == pair[0] else (slice(None), index)
                joint, ratios = evidence.joint_frames[at], self.log_likelihood_ratios[pair][at]
                shares = evidence.fitting_shares[at] + evidence.meeting_shares[at]
                order = np.lexsort((joint, shares, ratios, joint > 0))
                for best in order[-1:]:
                    rank = (float(ratios[best]), float(shares[best]), int(joint[best]))
                    found.append((rank, (sum(pair) - camera, int(best))))
        rank, best = max(found, default=((0.0, 0.0, 0), place))
        return best if rank[2] > 0 else None

    def _objection(self, place: Place, other: Place) -> str:
        config, name, ratio = self.config, self._name(other), self._ratio(place, other)
        gate = self._closed_gate(place, other)
        if gate is not None:
            return gate
        text = f"the best candidate, {name}, {self._fit(place, other)}"
        if ratio <= config.null_partner_cost:
            return f"{text}, not above null_partner_cost {config.null_partner_cost:g}"
        theirs = _places(self._group_of(other))
        rival = next((third for third in theirs if third[0] == place[0]), None)
        if rival is not None:
            return f"{text}, but it is better paired with {self._name(rival)}, which {self._fit(rival, other)}"
        against = min((third for third in theirs if third != other), key=lambda third: self._gain(place, third))
        reason = self._closed_gate(place, against) or f"{self._name(against)} {self._fit(place, against)}"
        return f"{text}, but it is paired with {self._name(against)}, which contradicts: {reason}"

    def _closed_gate(self, place: Place, other: Place) -> str | None:
        """Say which gate forbids a pair with joint frames."""
        config, name = self.config, self._name(other)
        count = int(self._value("joint_frames", place, other))
        joint = _counted(count, "joint frame")
        if count < config.min_joint_frames:
            return f"{name} shares {joint}, fewer than min_joint_frames {config.min_joint_frames}"
        meeting, fitting = (self._value(name, place, other) for name in ("meeting_shares", "fitting_shares"))
        if meeting < config.min_fitting_share:
            depth = self._value("depths_m", place, other)
            where = f"{-depth:.1f} m behind a camera" if depth < 0 else f"{depth:.1f} m in front of the nearer camera"
            return (
                f"its rays and those of {name} meet {where} (median), within {config.min_depth_m:g} to "
                f"{config.max_depth_m:g} m in only {meeting:.0%} of {joint}"
            )
        if fitting < config.min_fitting_share:
            return (
                f"{name} keeps within {config.outlier_sigmas:g} deviations of one distance from its epipolar lines in "
                f"only {fitting:.0%} of {joint}"
            )
        return None

    def _fit(self, place: Place, other: Place) -> str:
        first, second = sorted((place, other))
        bias = self.biases[first[0], second[0]]
        offset_px = self._value("offsets_px", place, other)
        deviation_px = np.hypot(bias.sigma_px, np.sqrt(self._value("offset_variances_px2", place, other)))
        return (
            f"lies {offset_px:+z.1f} px off its epipolar lines, {abs(offset_px - bias.mean_px) / deviation_px:.1f} "
            f"deviations from the usual {bias.mean_px:+z.1f} px, over "
            f"{_counted(int(self._value('joint_frames', place, other)), 'joint frame')}: "
            f"log-likelihood ratio {self._ratio(place, other):.1f}"
        )

    def _group_of(self, place: Place) -> Group | None:
        return next((group for group in self.groups if group.members[place[0]] == place[1]), None)

    def _value(self, field: str, place: Place, other: Place) -> float:
        (i, a), (j, b) = sorted((place, other))
        return float(getattr(self.evidence[i, j], field)[a, b])

    def _ratio(self, place: Place, other: Place) -> float:
        (i, a), (j, b) = sorted((place, other))
        return float(self.log_likelihood_ratios[i, j][a, b])

    def _gain(self, place: Place, other: Place) -> float:
        if self._value("joint_frames", place, other) < self.config.min_joint_frames:
            return 0.0
        return self._ratio(place, other) - self.config.null_partner_cost

    def _name(self, place: Place) -> str:
        return f"track {self.track_ids[place[0]][place[1]]} of camera {place[0] + 1}"


def associate(rig: CameraRig, tracks: Sequence[Sequence[BoxTrack]], config: StereoConfig) -> Association:
    """Group the tracks of all cameras, one sequence per camera; the answer does not depend on the tracks' order.

    A track without joint frames, behind a camera, or fitting no epipolar line stays without a partner. Raises
    `DataError` unless there is one sequence per camera, or when a box lies wholly outside the calibrated image.
    """
    if len(tracks) != len(rig.cameras):
        raise DataError(f"association: tracks of {len(tracks)} cameras, but the rig has {len(rig.cameras)}")
    for camera, own in zip(rig.cameras, tracks, strict=True):
        for track in own:
            check_in_image(camera, track)
    # Equal scores are decided by the ids, whatever the order in which the tracks were given.
    orders = [np.argsort([track.track_id for track in own], kind="stable") for own in tracks]
    ordered = [[own[index] for index in order] for own, order in zip(tracks, orders, strict=True)]
    evidence, ratios, biases, gains = {}, {}, {}, {}
    for i, j in combinations(range(len(tracks)), 2):
        found = pair_evidence(rig.pair(i, j), ordered[i], ordered[j], config)
        scores, biases[i, j] = score(rig.pair(i, j), found, config)
        gains[i, j] = np.where(found.joint_frames < config.min_joint_frames, 0.0, scores - config.null_partner_cost)
        back = np.ix_(np.argsort(orders[i]), np.argsort(orders[j]))
        evidence[i, j], ratios[i, j] = found.reordered(back), scores[back]
    members = [
        {camera: int(orders[camera][index]) for camera, index in places}
        for places in group(gains, [len(own) for own in tracks])
    ]
    groups = tuple(_group(chosen, tracks, ratios) for chosen in members)
    unpaired = tuple(
        tuple(sorted(set(range(len(own))) - {chosen.get(camera, -1) for chosen in members}))
        for camera, own in enumerate(tracks)
    )
    ids = tuple(tuple(track.track_id for track in own) for own in tracks)
    return Association(groups, unpaired, ratios, evidence, biases, ids, config)


def _group(
    chosen: Mapping[int, int], tracks: Sequence[Sequence[BoxTrack]], ratios: Mapping[CameraPair, FloatArray]
) -> Group:
    scores = [ratios[i, j][chosen[i], chosen[j]] for i, j in combinations(sorted(chosen), 2)]
    frames = np.concatenate([tracks[camera][index].frames for camera, index in chosen.items()])
    _, counts = np.unique(frames, return_counts=True)
    # Only pairs with too few joint frames can be forbidden within a group, and they say nothing.
    return Group(
        tuple(chosen.get(camera) for camera in range(len(tracks))),
        float(sum(score for score in scores if np.isfinite(score))),
        int((counts >= 2).sum()),
    )


def _places(group: Group | None) -> list[Place]:
    if group is None:
        return []
    return [(camera, index) for camera, index in enumerate(group.members) if index is not None]


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
