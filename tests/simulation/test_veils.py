import numpy as np
import pytest

from track_persistence.core.seeding import generator
from track_persistence.simulation.veils import Veil, VeilKind, draw_veil

FRAMES = 6


def laid(veil: Veil, frame: int, corner_px: tuple[float, float], size: int = 64, step: float = 1.0) -> np.ndarray:
    canvas = np.full((3, size, size), 100, np.float32)
    veil.cover(canvas, frame, corner_px, (step, step))
    return canvas


def veil(kind: VeilKind, seed: int = 0) -> Veil:
    return draw_veil(generator(seed, "veil"), kind, FRAMES, 0.6, 0.2 if kind == "rain" else 0.0)


@pytest.mark.parametrize("kind", ["rain", "dust", "lens"])
def test_neighbouring_crops_see_one_and_the_same_veil(kind: VeilKind) -> None:
    whole = laid(veil(kind), 2, (200.0, 100.0), 512)
    part = laid(veil(kind), 2, (200.0 + 130, 100.0 + 70), 64)
    np.testing.assert_allclose(part, whole[:, 70:134, 130:194], atol=1)
    assert 0.001 < (whole != 100).any(axis=0).mean() < 0.9


@pytest.mark.parametrize("kind", ["rain", "dust", "lens"])
def test_a_veil_repeats_without_a_seam(kind: VeilKind) -> None:
    single = veil(kind)
    texels = single.levels[0].astype(np.float64)
    inside = np.abs(np.diff(texels, axis=0)).max()
    assert np.abs(texels[0] - texels[-1]).max() <= inside
    assert np.abs(texels[:, 0] - texels[:, -1]).max() <= np.abs(np.diff(texels, axis=1)).max()


def test_rain_is_new_in_every_frame_dust_drifts_and_the_lens_stays_dirty() -> None:
    assert not np.array_equal(laid(veil("rain"), 0, (0, 0), 256), laid(veil("rain"), 1, (0, 0), 256))
    assert np.array_equal(laid(veil("lens"), 0, (0, 0), 256), laid(veil("lens"), 5, (0, 0), 256))
    dust = veil("dust")
    way = dust.offsets_px[1] - dust.offsets_px[0]
    assert 0.4 < np.linalg.norm(way) < 16
    followed = laid(dust, 1, (float(way[0]), float(way[1])), 128)
    np.testing.assert_allclose(followed, laid(dust, 0, (0, 0), 128), atol=1)


def test_seen_coarsely_a_veil_covers_as_much_as_seen_finely() -> None:
    fine = np.abs(laid(veil("dust"), 0, (0, 0), 512) - 100).mean()
    coarse = np.abs(laid(veil("dust"), 0, (0, 0), 64, 8.0) - 100).mean()
    assert coarse == pytest.approx(fine, rel=0.2)


def test_what_is_covered_keeps_within_the_range_of_light() -> None:
    for kind in ("rain", "dust", "lens"):
        for seed in range(4):
            canvas = laid(veil(kind, seed), 0, (0, 0), 256)
            assert canvas.min() >= 0
            assert canvas.max() <= 255
