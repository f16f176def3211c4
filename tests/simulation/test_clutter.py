import numpy as np
import pytest
from tests.simulation.lasting_scene import FRAMES, drawn

from track_persistence.simulation.clutter import HEIGHT_M, try_clutter
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.ghost_config import Thing
from track_persistence.simulation.lasting import Unpainted


def _only(config: GenerateConfig, thing: Thing) -> GenerateConfig:
    causes = config.matched.causes
    things = causes.clutter.model_copy(update={"things": {thing: 1.0}})
    matched = config.matched.model_copy(update={"causes": causes.model_copy(update={"clutter": things})})
    return config.model_copy(update={"matched": matched})


@pytest.mark.parametrize("thing", HEIGHT_M)
def test_a_thing_stands_there_for_the_whole_scene_and_is_reported_for_a_while(
    config: GenerateConfig, thing: Thing
) -> None:
    _, (ghost, prop) = drawn(try_clutter, _only(config, thing), 0)
    assert isinstance(ghost.painter, Unpainted)
    assert prop.is_prop
    assert len(prop.frames) == config.frames_per_sequence
    assert ghost.evidence_frames is not None
    assert len(ghost.evidence_frames) == 0
    for number in (0, 1):
        np.testing.assert_array_equal(ghost.depths_m[number], prop.depths_m[number][FRAMES])
        moves = np.ptp(prop.boxes_xywh_px[number], axis=0).max()
        assert (moves > 0) if thing == "bush" else (moves == 0)


def test_the_heights_in_the_image_fill_their_range(config: GenerateConfig) -> None:
    low, high = config.matched.causes.clutter.height_px
    heights = np.array([drawn(try_clutter, config, seed)[1][1].boxes_xywh_px[0][0, 3] for seed in range(40)])
    # The box of a solid thing near the cameras is a little taller than the thing's own height.
    assert (heights > 0.8 * low).all()
    assert (heights < 1.5 * high).all()
    assert heights.min() < 2 * low
    assert heights.max() > high / 2
