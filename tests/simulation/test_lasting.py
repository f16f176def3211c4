import numpy as np
import pytest
from tests.simulation.lasting_scene import FRAMES, Maker, drawn, setting_of

from track_persistence.core.types import Ghost, Kind
from track_persistence.simulation.clutter import try_clutter
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.flare import try_flare
from track_persistence.simulation.ghost_config import EnvelopeConfig
from track_persistence.simulation.glints import try_glint
from track_persistence.simulation.highlights import try_glare, try_specular, try_static_glare
from track_persistence.simulation.lasting import (
    Look,
    Unpainted,
    boxes_around,
    clipped,
    envelope,
    fading,
    finished,
    held,
    image_bounds,
)
from track_persistence.simulation.mirrors import try_reflection, try_window
from track_persistence.simulation.optics import extents_from_boxes
from track_persistence.simulation.shadows import try_shadow
from track_persistence.simulation.views import Window

KINDS = {
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
EVERY_KIND = pytest.mark.parametrize(("ghost", "maker"), KINDS.items(), ids=[kind.value for kind in KINDS])


@EVERY_KIND
def test_a_ghost_is_seen_by_both_cameras_for_most_of_its_life(
    config: GenerateConfig, ghost: Ghost, maker: Maker
) -> None:
    presence = config.matched.causes.presence
    for seed in range(6):
        setting, (cause, *props) = drawn(maker, config, seed)
        assert (cause.ghost, cause.kind, cause.is_prop) == (ghost, Kind.BRIEF, False)
        np.testing.assert_array_equal(cause.frames, FRAMES)
        assert cause.present is not None
        image = image_bounds(setting)
        for boxes, present in zip(cause.boxes_xywh_px, cause.present, strict=True):
            assert present.mean() >= presence.present_share
            assert boxes[present, 2:].min() >= presence.smallest_side_px
            assert (boxes[:, :2] >= image[:2] - 1e-9).all()
            assert (boxes[:, :2] + boxes[:, 2:] <= image[:2] + image[2:] + 1e-9).all()
        assert cause.strength.min() > 0
        assert cause.strength.max() <= 1
        assert cause.evidence_frames is not None
        assert set(cause.evidence_frames.tolist()) <= set(FRAMES.tolist())
        assert all(prop.is_prop and set(FRAMES.tolist()) <= set(prop.frames.tolist()) for prop in props)


@EVERY_KIND
def test_a_ghost_and_its_props_change_what_both_cameras_see_in_its_box(
    config: GenerateConfig, ghost: Ghost, maker: Maker
) -> None:
    setting, causes = drawn(maker, config, 3)
    index = int(np.argmax(causes[0].strength))
    for number, camera in enumerate(setting.rig.cameras):
        extents = extents_from_boxes(camera, causes[0].boxes_xywh_px[number][index][None])[0]
        window = Window.over(extents, 48, 48)
        canvas = np.full((3, 48, 48), 90, np.float32)
        for cause in sorted(causes, key=lambda cause: -cause.depths_m[number][0]):
            cause.painter.paint(canvas, window, number, int(FRAMES[index] - cause.frames[0]))
        assert np.isfinite(canvas).all()
        assert np.abs(canvas - 90).max() > 5


@EVERY_KIND
def test_the_same_seed_gives_the_same_ghost(config: GenerateConfig, ghost: Ghost, maker: Maker) -> None:
    (_, first), (_, second) = drawn(maker, config, 1), drawn(maker, config, 1)
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.boxes_xywh_px[1], other.boxes_xywh_px[1])
        np.testing.assert_array_equal(one.strength, other.strength)


@EVERY_KIND
def test_a_ghost_can_last_one_frame_or_nearly_the_whole_scene(
    config: GenerateConfig, ghost: Ghost, maker: Maker
) -> None:
    for frames in (FRAMES[:1], np.arange(90, dtype=np.int32)):
        _, (cause, *_) = drawn(maker, config, 2, frames)
        assert len(cause.strength) == len(frames)


def _envelope(standing_share: float, flicker: float) -> EnvelopeConfig:
    return EnvelopeConfig(
        onset_frames=(4, 4),
        standing_share=standing_share,
        flicker=flicker,
        flicker_frames=(20.0, 20.0),
        faintest=0.25,
        faded=0.7,
    )


def test_strength_rises_stays_and_falls_unless_the_ghost_stood_there_before() -> None:
    rng = np.random.default_rng(0)
    coming = envelope(rng, _envelope(0.0, 0.0), 30)
    # Half a frame into a rise of four: an eighth of a quarter turn.
    assert coming[0] == pytest.approx(0.25 + 0.75 * np.sin(np.pi / 16))
    assert (np.diff(coming[:4]) > 0).all()
    np.testing.assert_allclose(coming[5:25], 1)
    np.testing.assert_allclose(coming, coming[::-1])
    np.testing.assert_array_equal(envelope(rng, _envelope(1.0, 0.0), 30), np.ones(30))


def test_strength_swings_by_no_more_than_the_flicker() -> None:
    strengths = np.array([envelope(np.random.default_rng(seed), _envelope(1.0, 0.4), 40) for seed in range(50)])
    assert strengths.min() >= 0.6
    assert strengths.max() <= 1
    assert np.ptp(strengths, axis=1).max() > 0.25


def test_a_ghost_shows_itself_in_the_frames_in_which_it_comes_and_goes() -> None:
    strength = np.array([0.3, 0.8, 1.0, 1.0, 0.6])
    np.testing.assert_array_equal(fading(_envelope(0.5, 0.0), FRAMES[:5], strength), FRAMES[[0, 4]])


def test_a_light_keeps_before_and_after_its_report_the_strength_of_its_first_and_last_frame(
    config: GenerateConfig,
) -> None:
    _, setting = setting_of(config, 0)
    strength = held(setting, np.array([2, 3, 4], np.int32), np.array([0.3, 1.0, 0.5]))
    assert strength[:5].tolist() == [0.3, 0.3, 0.3, 1.0, 0.5]
    assert (strength[5:] == 0.5).all()
    assert len(strength) == config.frames_per_sequence


@pytest.mark.parametrize("patch_share", [0.0, 1.0], ids=["lamp", "patch of sun"])
def test_a_light_that_stays_is_in_the_picture_whether_or_not_it_is_reported(
    config: GenerateConfig, patch_share: float
) -> None:
    causes = config.matched.causes
    glare = causes.static_glare.model_copy(update={"patch_share": patch_share})
    matched = config.matched.model_copy(update={"causes": causes.model_copy(update={"static_glare": glare})})
    setting, (ghost, light) = drawn(try_static_glare, config.model_copy(update={"matched": matched}), 3)
    assert light.is_prop and not ghost.is_prop
    np.testing.assert_array_equal(ghost.frames, FRAMES)
    assert len(light.frames) == config.frames_per_sequence
    np.testing.assert_array_equal(light.strength[FRAMES], ghost.strength)
    for number in (0, 1):
        extents = extents_from_boxes(setting.rig.cameras[number], light.boxes_xywh_px[number])
        for frame in (0, len(light.frames) - 1):
            canvas = np.full((3, 20, 20), 100, np.float32)
            light.painter.paint(canvas, Window.over(extents[frame], 20, 20), number, frame)
            assert canvas.max() > 105


def test_a_box_is_cut_to_its_opening() -> None:
    boxes = np.array([[-10.0, 2.0, 20.0, 10.0], [200.0, 2.0, 10.0, 10.0]])
    cut = clipped(boxes, np.array([0.0, 0.0, 100.0, 50.0]))
    np.testing.assert_allclose(cut[0], [0, 2, 10, 10])
    np.testing.assert_allclose(cut[1], [99, 2, 1, 10])


def test_a_ghost_that_one_camera_loses_too_early_is_thrown_away(config: GenerateConfig) -> None:
    _, setting = setting_of(config, 0)
    x = np.linspace(1200, 1320, len(FRAMES))
    first, second = np.stack([x, np.full(len(FRAMES), 300.0)], axis=1), np.full((len(FRAMES), 2), 300.0)
    ones = np.ones(len(FRAMES))

    def attempt(share: float) -> object:
        presence = config.matched.causes.presence.model_copy(
            update={"present_share": share, "smallest_share": 0.5, "smallest_side_px": 10.0}
        )
        causes = config.matched.causes.model_copy(update={"presence": presence})
        boxes = boxes_around((first, second), np.array([15.0, 15.0]))
        return finished(setting, causes, Look(Ghost.GLARE, FRAMES, boxes, ones, Unpainted(), FRAMES[:0]))

    # Half of the box is inside until its centre passes the image's edge, after two thirds of the life.
    assert attempt(0.7) is None
    cause = attempt(0.6)
    assert cause is not None
    np.testing.assert_array_equal(cause.present[0], x <= 1279.5)  # type: ignore[attr-defined]
    assert cause.present[1].all()  # type: ignore[attr-defined]
