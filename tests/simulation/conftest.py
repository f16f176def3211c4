from pathlib import Path

import pytest

from track_persistence.core.params import load_section
from track_persistence.core.seeding import generator
from track_persistence.core.types import StereoScene
from track_persistence.simulation.config import GenerateConfig
from track_persistence.simulation.scene import TrackCounts, simulate_scene

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture(scope="session")
def config() -> GenerateConfig:
    return load_section(PARAMS, "generate", GenerateConfig)


@pytest.fixture(scope="session")
def exact_config(config: GenerateConfig) -> GenerateConfig:
    """The default settings with a detector that draws its boxes exactly."""
    detector = config.detector.model_copy(update={"jitter_px": 0.0, "jitter_share": 0.0})
    return config.model_copy(update={"detector": detector})


@pytest.fixture(scope="session")
def scene(exact_config: GenerateConfig) -> StereoScene:
    return simulate_scene(exact_config, 3, TrackCounts(3, 12, 4), generator(11, "test", 0))
