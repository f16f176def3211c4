"""A scene of the matched profile: objects in fragments, ghosts that last, false boxes, noise; and the truth.

T frames of a track.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from track_persistence.core.errors import DataError
from track_persistence.core.types import Ghost, Kind, LabelledTrack, StereoScene, Trajectory
from track_persistence.simulation.appearance import Wardrobe
from track_persistence.simulation.causes import Cause, Setting, visible_shares
from track_persistence.simulation.clutter import try_clutter
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.draws import pick
from track_persistence.simulation.false_boxes import covered_shares, duplicate_offset
from track_persistence.simulation.film import Film
from track_persistence.simulation.flare import try_flare
from track_persistence.simulation.glints import try_glint
from track_persistence.simulation.highlights import try_glare, try_specular, try_static_glare
from track_persistence.simulation.lives import Life, draw_life
from track_persistence.simulation.matched_config import CountConfig, MatchedConfig
from track_persistence.simulation.mirrors import try_reflection, try_window
from track_persistence.simulation.nuisances import CameraNuisances, draw_nuisances
from track_persistence.simulation.optics import build_rig
from track_persistence.simulation.place import decorate, draw_place, render_place
from track_persistence.simulation.reports import Reporter, Thing
from track_persistence.simulation.sensor import draw_sensor
from track_persistence.simulation.shadows import try_shadow
from track_persistence.simulation.wanderers import place_company, place_post, place_wanderer

Array = NDArray[np.float64]
MAKERS = {
    Ghost.REFLECTION: try_reflection,
    Ghost.WINDOW: try_window,
    Ghost.SPECULAR: try_specular,
    Ghost.GLARE: try_glare,
    Ghost.STATIC_GLARE: try_static_glare,
    Ghost.FLARE: try_flare,
    Ghost.GLINT: try_glint,
    Ghost.SHADOW: try_shadow,
    Ghost.CLUTTER: try_clutter,
}
KINDS = {Ghost.NONE: Kind.PERSISTENT, Ghost.NOISE: Kind.NOISE}


@dataclass(frozen=True)
class Plan:
    """What a scene has: real objects (company not counted) and one entry per ghost."""

    objects: int
    ghosts: tuple[Ghost, ...]


@dataclass(eq=False)
class Stage:
    """The things of a scene while it is put together."""

    setting: Setting
    matched: MatchedConfig
    causes: list[Cause] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)

    def add(self, cause: Cause) -> int:
        """Take a cause in and return its row."""
        self.causes.append(cause)
        return len(self.causes) - 1


def draw_plan(config: MatchedConfig, rng: np.random.Generator) -> Plan:
    """Draw how many objects and ghosts a scene has, and of which kinds."""
    objects, ghosts = _count(rng, config.objects), _count(rng, config.ghosts)
    return Plan(objects, tuple(Ghost(pick(rng, config.kinds)) for _ in range(ghosts)))


def _count(rng: np.random.Generator, config: CountConfig) -> int:
    return int(np.clip(rng.poisson(config.mean), *config.limits))


def simulate_matched_scene(config: GenerateConfig, scene_id: int, plan: Plan, rng: np.random.Generator) -> StereoScene:
    """Simulate one scene; all randomness comes from `rng`.

    Raises `DataError` when the settings leave no room for an object or a ghost.
    """
    rig = build_rig(config.rig)
    wardrobe = Wardrobe.of(config.matched.nuisances.appearance)
    place = draw_place(rng, config.place, wardrobe)
    setting = Setting(config, rig, place, rng.uniform(*config.image.shutter_share), wardrobe)
    decorate(rng, place, config.place, config.rig.image_size_px[0] / 2 / config.rig.focal_px, wardrobe)
    stage = Stage(setting, config.matched)
    _add_posts(rng, stage)
    for _ in range(plan.objects):
        _add_object(rng, stage)
    for ghost in plan.ghosts:
        _ADD.get(ghost, _add_ghost)(rng, stage, ghost)
    object_ids = rng.permutation(len(stage.things))
    nuisances = draw_nuisances(rng, config.matched.nuisances, config.frames_per_sequence)
    reporters = [_reporter(rng, stage, number, nuisances.cameras[number]) for number in (0, 1)]
    first, second = (_camera_tracks(rng, reporter, stage.things, object_ids) for reporter in reporters)
    visible = reporters[0].visible, reporters[1].visible
    return StereoScene(scene_id, rig, (first, second), _truth(stage, visible, object_ids))


def _reporter(rng: np.random.Generator, stage: Stage, number: int, nuisances: CameraNuisances) -> Reporter:
    setting, config = stage.setting, stage.setting.config
    film = Film(
        number=number,
        camera=setting.rig.cameras[number],
        background=render_place(setting.place, setting.rig, config.rig, number),
        causes=tuple(stage.causes),
        sensor=draw_sensor(rng, config.image),
        nuisances=nuisances,
    )
    return Reporter(film, config, visible_shares(stage.causes, number), nuisances)


def _camera_tracks(
    rng: np.random.Generator, reporter: Reporter, things: Sequence[Thing], object_ids: NDArray[np.int64]
) -> tuple[LabelledTrack, ...]:
    """Return what the detector reports in one camera; the numbers and the order of the tracks say nothing."""
    found = [
        (thing, _object_id(index, thing, object_ids), report)
        for index, thing in enumerate(things)
        for report in reporter.reports(rng, thing)
    ]
    track_ids = rng.permutation(len(found)) + 1
    tracks = [
        LabelledTrack(
            replace(report.track, track_id=int(track_id)),
            KINDS.get(thing.label, Kind.BRIEF),
            thing.label,
            object_id,
            report.evidence_frames,
        )
        for track_id, (thing, object_id, report) in zip(track_ids, found, strict=True)
    ]
    return tuple(sorted(tracks, key=lambda labelled: labelled.track.track_id))


def _object_id(index: int, thing: Thing, object_ids: NDArray[np.int64]) -> int | None:
    return None if thing.label is Ghost.NOISE else int(object_ids[index])


def _truth(
    stage: Stage, visible: tuple[list[Array], list[Array]], object_ids: NDArray[np.int64]
) -> tuple[Trajectory, ...]:
    """Return the paths of all real objects; those that no track shows have the numbers after the tracked things'."""
    tracked = {
        thing.row: int(object_ids[index]) for index, thing in enumerate(stage.things) if thing.label is Ghost.NONE
    }
    real = [row for row, cause in enumerate(stage.causes) if cause.kind is Kind.PERSISTENT and not cause.is_prop]
    untracked = [row for row in real if row not in tracked]
    numbers = tracked | {row: len(stage.things) + number for number, row in enumerate(untracked)}
    least_share = stage.matched.crowd.least_visible_share  # the detector reports an object from here on
    paths = []
    for row in real:
        cause = stage.causes[row]
        assert cause.present is not None
        seen = [(visible[c][row] >= least_share) & cause.present[c] for c in (0, 1)]
        paths.append(Trajectory(numbers[row], cause.frames, cause.positions_m, np.stack(seen, axis=1)))
    return tuple(sorted(paths, key=lambda path: path.object_id))


def _add_posts(rng: np.random.Generator, stage: Stage) -> None:
    frames = np.arange(stage.setting.config.frames_per_sequence, dtype=np.int32)
    low, high = stage.matched.crowd.occluders
    for _ in range(int(rng.integers(low, high + 1))):
        post = place_post(rng, stage.setting, frames)
        if post is not None:
            stage.add(post)


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 62))


def _life(rng: np.random.Generator, stage: Stage) -> Life:
    return draw_life(rng, stage.matched.lives, stage.setting.config.frames_per_sequence)


def _add_object(rng: np.random.Generator, stage: Stage) -> None:
    life, crowd = _life(rng, stage), stage.matched.crowd
    cause, body = place_wanderer(rng, stage.setting, crowd, life)
    stage.things.append(Thing(Ghost.NONE, life, _seed(rng), stage.add(cause)))
    if rng.random() < crowd.company_share:
        company = place_company(rng, stage.setting, crowd, life, body)
        if company is not None:
            stage.things.append(Thing(Ghost.NONE, life, _seed(rng), stage.add(company)))


def _add_ghost(rng: np.random.Generator, stage: Stage, ghost: Ghost) -> None:
    """Add a ghost with a cause in the world."""
    life, config, maker = _life(rng, stage), stage.setting.config, MAKERS[ghost]
    for _ in range(config.objects.attempts):
        made = maker(rng, stage.setting, stage.matched.causes, life.frames)
        if made is not None and _in_view(stage, made[0], life):
            rows = [stage.add(cause) for cause in made]
            stage.things.append(Thing(ghost, life, _seed(rng), rows[0]))
            return
    raise DataError(
        f"params.yaml: generate.matched.causes.{ghost.value}: none out of {config.objects.attempts} was in view while "
        f"it is tracked; widen its ranges or set matched.kinds.{ghost.value} to 0"
    )


def _in_view(stage: Stage, ghost: Cause, life: Life) -> bool:
    assert ghost.present is not None
    return life.is_in_view(ghost.present, stage.matched.lives.in_view_share)


def _add_noise(rng: np.random.Generator, stage: Stage, ghost: Ghost) -> None:
    life = _life(rng, stage)
    camera = int(rng.integers(2))
    windows = (life.windows[camera], ()) if camera == 0 else ((), life.windows[camera])
    stage.things.append(Thing(ghost, Life(life.frames, windows), _seed(rng)))


def _add_false_box(rng: np.random.Generator, stage: Stage, ghost: Ghost) -> None:
    """Add an object and the false box that comes of it; the object itself is also a real track, often."""
    lives, total = stage.matched.lives, stage.setting.config.frames_per_sequence
    crowd, tracker = stage.matched.crowd, stage.matched.tracker
    if ghost is Ghost.ID_SWITCH:
        low, high = lives.length_frames
        lives = lives.model_copy(update={"length_frames": (max(low, tracker.shortest_switch_frames), high)})
    for _ in range(stage.setting.config.objects.attempts):
        life = draw_life(rng, lives, total)
        cause, body = place_wanderer(rng, stage.setting, crowd, life)
        company = place_company(rng, stage.setting, crowd, life, body) if ghost is Ghost.MERGED else None
        if ghost is not Ghost.MERGED or (
            company is not None and _side_by_side(cause, company, tracker.merged_covered_share)
        ):
            break
    else:
        raise DataError(
            "params.yaml: generate.matched.crowd.company_m: no two objects were in view together; narrow the range or "
            "set matched.kinds.merged to 0"
        )
    row = stage.add(cause)
    other = None if company is None else stage.add(company)
    false_life = life
    if ghost is Ghost.DUPLICATE and rng.random() >= tracker.duplicate_both_share:
        kept = int(rng.integers(2))
        false_life = Life(life.frames, (life.windows[0], ()) if kept == 0 else ((), life.windows[1]))
    offset = duplicate_offset(rng, tracker) if ghost is Ghost.DUPLICATE else None
    stage.things.append(Thing(ghost, false_life, _seed(rng), row, other, offset))
    own_share = tracker.merged_own_share if ghost is Ghost.MERGED else tracker.duplicate_own_share
    for real in (row, other):
        if real is not None and ghost is not Ghost.ID_SWITCH and rng.random() < own_share:
            stage.things.append(Thing(Ghost.NONE, life, _seed(rng), real))


def _side_by_side(first: Cause, second: Cause, covered_share: float) -> bool:
    """Whether both cameras see two objects: one that hides the other is one object to see."""
    return all(
        float(np.median(covered_shares(one, two))) < covered_share
        for one, two in zip(first.boxes_xywh_px, second.boxes_xywh_px, strict=True)
    )


_ADD = {
    Ghost.NOISE: _add_noise,
    Ghost.DUPLICATE: _add_false_box,
    Ghost.MERGED: _add_false_box,
    Ghost.ID_SWITCH: _add_false_box,
}
