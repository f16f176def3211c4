"""Whether calibration and synchronisation of two cameras can be trusted, from their tracks alone: no pixels, no truth.

Partners lie on each other's epipolar lines in a right rig that is in step. What is left tells, by its pattern over the
image, how the cameras are turned against each other, and by the boxes' velocities how many frames they are apart
(`self_check_fit`); partners are sought anew at every offset (`self_check_rows`). An error that leaves all partners on
their lines (of the baseline's length, say) cannot be seen so.

The size of boxes against their depth was tried as a second witness of yaw and left out: on right simulated rigs it was
0.2 degrees off, because the near side of a thing counts for its size and the middle for its depth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from track_persistence.core.rig import StereoRig
from track_persistence.core.types import BoxTrack
from track_persistence.stereo.config import StereoConfig
from track_persistence.stereo.self_check_config import SelfCheckConfig
from track_persistence.stereo.self_check_fit import Measured, fit_rig, mean_residual, offset_of_ends
from track_persistence.stereo.self_check_rows import Rows, find_partners, joint_rows, shifted
from track_persistence.stereo.self_check_verdict import Quantity, Seen, State, judge, overall, verdict

MOST_MOVES = 5
Views = tuple[list[BoxTrack], list[BoxTrack]]


@dataclass(frozen=True)
class Region:
    """A region of the first camera's image: left, top, right, bottom in pixels, and the partners seen there."""

    edges_px: tuple[float, float, float, float]
    pairs: int
    frames: int
    residual_px: Measured


@dataclass(frozen=True, eq=False)
class SelfCheck:
    """The answer.

    verdict: lines, the first one the sum of the others. quantities: by name; those that too few partners tell are
    missing. regions: row by row. best_offset: frames added to the second camera's, of the whole numbers the one at
    which most partners agree; rows and regions are of the partners found there. offset_curve: every offset tried with
    the summed log-likelihood ratio of its partners.
    """

    state: State
    verdict: tuple[str, ...]
    quantities: dict[str, Quantity]
    regions: tuple[Region, ...]
    best_offset: int
    offset_curve: tuple[tuple[int, float], ...]
    rows: Rows
    seen: Seen


def self_check(
    rig: StereoRig,
    tracks1: Sequence[BoxTrack],
    tracks2: Sequence[BoxTrack],
    stereo: StereoConfig,
    config: SelfCheckConfig,
) -> SelfCheck:
    """Check the rig by the tracks of its two cameras, of one recording or of many one after the other."""
    stereo = stereo.model_copy(update={"bias_sigma_px": config.bias_sigma_px})
    views = (shifted(tracks1, 0), shifted(tracks2, 0))
    tried = range(-config.max_offset_frames, config.max_offset_frames + 1)
    curve = {offset: find_partners(rig, *_moved(views, offset), stereo)[1] for offset in tried}
    # Of equal offsets the smallest: without any partner nothing is moved.
    best = max(curve, key=lambda offset: (curve[offset], -abs(offset)))
    best, rows, measured = _settle(rig, views, best, stereo, config)
    ungated = find_partners(rig, *_moved(views, best), stereo, anywhere=True)[0]
    anyhow = joint_rows(rig, ungated, stereo, config)
    if anyhow.count >= config.fewest_tracks:
        measured["behind"] = _behind(anyhow)
    quantities = {name: judge(name, value, config) for name, value in measured.items()}
    regions = _regions(rig, rows, stereo, config)
    covered = (sum(region.pairs > 0 for region in regions), len(regions))
    seen = Seen(rows.count, _sharing(_moved(views, best)), covered)
    lines = verdict(quantities, seen, config)
    return SelfCheck(overall(quantities), lines, quantities, regions, best, tuple(curve.items()), rows, seen)


def _sharing(views: Views) -> tuple[int, int]:
    """Return how many tracks of either camera share a frame with a track of the other."""
    frames = [np.concatenate([track.frames for track in own]) if own else np.empty(0, np.int32) for own in views]
    owners = [np.repeat(np.arange(len(own)), [len(track) for track in own]) for own in views]
    first, second = (
        len(np.unique(owner[np.isin(mine, other)]))
        for mine, owner, other in zip(frames, owners, frames[::-1], strict=True)
    )
    return first, second


def _moved(views: Views, offset: int) -> Views:
    return views[0], shifted(views[1], offset)


def _settle(
    rig: StereoRig, views: Views, offset: int, stereo: StereoConfig, config: SelfCheckConfig
) -> tuple[int, Rows, dict[str, Measured]]:
    """Fit the rig at `offset` and, while the fit names another whole offset, there; return where it ended.

    What was measured is empty when there are fewer partners than `fewest_tracks`.
    """
    visited: set[int] = set()
    while True:
        visited.add(offset)
        moved = _moved(views, offset)
        partners, _ = find_partners(rig, *moved, stereo)
        rows = joint_rows(rig, partners, stereo, config)
        if rows.count < config.fewest_tracks:
            return offset, rows, {}
        fit = fit_rig(rows, offset_of_ends(rig, partners, moved, config), stereo, config)
        further = offset + int(np.rint(fit.parameters[3]))
        if further in visited or abs(further) > config.max_offset_frames or len(visited) > MOST_MOVES:
            break
        offset = further
    angles_deg, sigmas_deg = np.degrees(fit.parameters[:3]), np.degrees(fit.sigmas[:3])
    measured = {
        name: Measured(float(value), float(sigma))
        for name, value, sigma in zip(("pitch", "yaw", "roll"), angles_deg, sigmas_deg, strict=True)
    }
    measured["offset"] = Measured(offset + float(fit.parameters[3]), float(fit.sigmas[3]))
    measured["bias"] = mean_residual(rows, np.ones(len(rows.pairs), np.bool_), stereo, config)
    return offset, rows, measured


def _behind(rows: Rows) -> Measured:
    """Return the share of joint frames whose rays meet behind a camera; pairs are the independent units.

    Where pairs are few and alike, the deviation is that of a proportion with half a pair added to either side.
    """
    frames, behind = rows.sums(np.ones(len(rows.pairs))), rows.sums((~rows.in_front).astype(np.float64))
    share = float(behind.sum() / frames.sum())
    spread = np.sqrt(((behind - share * frames) ** 2).sum() * rows.count / (rows.count - 1)) / frames.sum()
    likely = (share * rows.count + 0.5) / (rows.count + 1)
    return Measured(share, float(max(spread, np.sqrt(likely * (1 - likely) / rows.count))))


def _regions(rig: StereoRig, rows: Rows, stereo: StereoConfig, config: SelfCheckConfig) -> tuple[Region, ...]:
    columns, lines = (
        np.linspace(-0.5, side - 0.5, count + 1)
        for side, count in zip(rig.cameras[0].image_size_px, config.regions, strict=True)
    )
    across, down = (
        np.clip(np.searchsorted(edges, rows.pixels1[:, axis], side="right") - 1, 0, len(edges) - 2)
        for axis, edges in enumerate((columns, lines))
    )
    regions = []
    for j in range(len(lines) - 1):
        for i in range(len(columns) - 1):
            here = (across == i) & (down == j)
            edges_px = (float(columns[i]), float(lines[j]), float(columns[i + 1]), float(lines[j + 1]))
            pairs = len(np.unique(rows.pairs[here]))
            regions.append(Region(edges_px, pairs, int(here.sum()), mean_residual(rows, here, stereo, config)))
    return tuple(regions)
