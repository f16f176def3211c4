from itertools import pairwise
from typing import get_args

import numpy as np
import pytest

from track_persistence.core.seeding import generator
from track_persistence.simulation.appearance import Wardrobe, appearance_texture, clothed, surfaced
from track_persistence.simulation.nuisance_config import AppearanceFamily
from track_persistence.simulation.textures import cloth, surface

FAMILIES: tuple[AppearanceFamily, ...] = get_args(AppearanceFamily)
LIBRARY_PX = 512


def spectral_slope(texture: np.ndarray) -> float:
    """Slope of log amplitude over log frequency, averaged over directions, from 4 to 100 cycles per tile."""
    grey = texture.astype(np.float64).mean(axis=2)
    amplitude = np.abs(np.fft.fft2(grey - grey.mean()))
    cycles = np.hypot(*np.meshgrid(*[np.fft.fftfreq(len(grey)) * len(grey)] * 2))
    rings = np.geomspace(4, 100, 9)
    means = [amplitude[(cycles >= low) & (cycles < high)].mean() for low, high in pairwise(rings)]
    return float(np.polyfit(np.log(np.sqrt(rings[1:] * rings[:-1])), np.log(means), 1)[0])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_texture_is_rich_varied_and_the_same_for_the_same_generator(family: AppearanceFamily) -> None:
    textures = [appearance_texture(generator(seed, "texture"), {family: 1.0}, 64) for seed in range(12)]
    for texture in textures:
        assert texture.shape == (64, 64, 3)
        assert texture.dtype == np.uint8
    assert np.median([texture.std() for texture in textures]) > 12
    assert len({texture.tobytes() for texture in textures}) == 12
    assert np.array_equal(textures[3], appearance_texture(generator(3, "texture"), {family: 1.0}, 64))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_large_texture_repeats_without_a_seam(family: AppearanceFamily) -> None:
    for seed in range(4):
        texture = appearance_texture(generator(seed, "tile"), {family: 1.0}, LIBRARY_PX).astype(np.float64)
        for axis in (0, 1):
            steps = np.abs(np.diff(texture, axis=axis)).mean(axis=2)
            inside = steps.mean(axis=1 - axis)
            seam = np.abs(np.take(texture, 0, axis) - np.take(texture, -1, axis)).mean()
            assert seam <= inside.max() + 1


def test_dead_leaves_have_the_spectrum_of_natural_images() -> None:
    slopes = [
        spectral_slope(appearance_texture(generator(seed, "leaves"), {"dead_leaves": 1.0}, LIBRARY_PX))
        for seed in range(4)
    ]
    # Amplitudes of natural images fall as 1 / f^1.0 to 1 / f^1.4 (Torralba and Oliva 2003); white noise would give 0.
    assert -1.7 < np.mean(slopes) < -0.9


def test_weights_choose_the_family() -> None:
    only = appearance_texture(generator(0, "w"), {"text": 1.0, "stripes": 0.0, "fractal": 0.0}, 64)
    assert only.shape == (64, 64, 3)
    without = {family: float(family != "text") for family in FAMILIES}
    assert len({appearance_texture(generator(s, "w"), without, 64).tobytes() for s in range(6)}) == 6


def test_without_a_wardrobe_the_plain_patterns_go_on_unchanged() -> None:
    patterns = ("plain", "stripes")
    assert np.array_equal(clothed(generator(1, "c"), None, 64, patterns), cloth(generator(1, "c"), 64, patterns))
    assert np.array_equal(surfaced(generator(1, "s"), None, LIBRARY_PX), surface(generator(1, "s"), LIBRARY_PX))


def test_the_share_says_how_often_a_texture_is_one_of_the_families() -> None:
    wardrobe = Wardrobe(0.5, {"stripes": 1.0})
    patterns = ("plain",)
    varied = sum(
        clothed(generator(seed, "share"), wardrobe, 64, patterns).std(axis=(0, 1)).max() > 25 for seed in range(60)
    )
    # Plain cloth is rough by 15 % at most; of 60 draws of one half, 30 +- 4 standard deviations of 3.9 are stripes.
    assert 12 <= varied <= 48
