from pathlib import Path

import pytest
from ruamel.yaml import YAML

from track_persistence.core.errors import ParamsError
from track_persistence.core.params import load_section
from track_persistence.simulation.config import GenerateConfig

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.mark.parametrize(
    ("keys", "value", "rule"),
    [
        (("scenes",), 0, "generate.scenes"),
        (("matched", "lives", "fragments"), [0.5, 0.3], "generate.matched.lives.fragments"),
        (("matched", "kinds"), {"unicorn": 1.0}, "generate.matched.kinds"),
        (("matched", "lives", "length_frames"), [1, 2], "generate.matched: .*below the 3 frames"),
        (("objects", "depth_m"), [30.0, 3.0], "generate.objects.depth_m"),
        (("rig", "distortion"), [[0.1], [0.1]], "generate.rig.distortion.0"),
        (("tracks", "mix"), [0.6, 0.3, 0.3], "generate.tracks"),
        (("objects", "families"), {"unicorn": 1.0}, "generate.objects.families"),
        (("objects", "speed_mps"), {"ball": [1.0, 2.0]}, "generate.objects"),
        (("image", "jpeg_quality"), [60, 101], "generate.image"),
        (("frames_per_sequence",), 30, "shorter than the longest track"),
        (("tarcks",), 1, "generate.tarcks: not a known key"),
    ],
)
def test_a_bad_value_is_refused_with_its_key(tmp_path: Path, keys: tuple[str, ...], value: object, rule: str) -> None:
    content = YAML(typ="safe").load(PARAMS)
    section = content["generate"]
    for key in keys[:-1]:
        section = section[key]
    section[keys[-1]] = value
    bad = tmp_path / "params.yaml"
    YAML().dump(content, bad)
    with pytest.raises(ParamsError, match=rule) as caught:
        load_section(bad, "generate", GenerateConfig)
    assert str(bad) in str(caught.value)
    assert "\n" not in str(caught.value)
