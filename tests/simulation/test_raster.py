import numpy as np
import pytest

from track_persistence.core.rig import Camera
from track_persistence.simulation.raster import Light, draw_parts, flat_patch_alpha, new_layer
from track_persistence.simulation.shapes import Form, Part, ellipsoid
from track_persistence.simulation.textures import mips
from track_persistence.simulation.views import Window, seen_parts

CAMERA = Camera("ahead", np.diag([800.0, 800, 1]), np.zeros(0), np.eye(3, 4), (640, 480), 25.0)
RED = mips(np.full((32, 32, 3), (200, 0, 0), np.uint8))
BLUE = mips(np.full((32, 32, 3), (0, 0, 200), np.uint8))
FRONT = Light(np.array([0.0, 0.0, -1.0]), 0.5, 1.0)
WINDOW = Window.over(np.array([-0.1, -0.1, 0.1, 0.1]), 64, 64)


def drawn(form: Form, *bodies: tuple[tuple[float, float, float], float, tuple]) -> np.ndarray:  # type: ignore[type-arg]
    parts = tuple(
        ellipsoid((0, 0, 0), (half, half, half), faces)
        if form is Form.ELLIPSOID
        else Part(form, np.zeros(3), np.full(3, half), (faces,) * 3, np.zeros(3))
        for _, half, faces in bodies
    )
    centres = np.array([[centre for centre, _, _ in bodies]])
    axes = np.stack([np.eye(3) * half for _, half, _ in bodies])[None]
    seen = seen_parts(CAMERA, (form,) * len(bodies), centres, axes)
    assert seen is not None
    layer = new_layer(WINDOW)
    draw_parts(layer, WINDOW, seen, 0, parts, FRONT)
    return layer


def test_a_sphere_covers_the_area_of_its_outline() -> None:
    layer = drawn(Form.ELLIPSOID, ((0, 0, 10), 0.5, RED))
    # Radius 0.5 / sqrt(100 - 0.25) at unit depth; a pixel is 0.2 / 64 wide.
    radius_px = 0.5 / np.sqrt(99.75) / (0.2 / 64)
    assert layer[3].sum() == pytest.approx(np.pi * radius_px**2, rel=0.02)


def test_a_box_covers_the_area_of_its_near_face() -> None:
    layer = drawn(Form.BOX, ((0, 0, 10), 0.5, RED))
    side_px = 1 / 9.5 / (0.2 / 64)
    assert layer[3].sum() == pytest.approx(side_px**2, rel=0.03)
    assert layer[1:3].max() == 0


def test_a_surface_that_faces_the_light_is_brightest() -> None:
    layer = drawn(Form.ELLIPSOID, ((0, 0, 10), 0.6, RED))
    middle, rim = layer[0, 32, 32], layer[0, 32, 32 - 17]
    # Ambient 0.5 and 1.4 times the direct half, straight on.
    assert middle == pytest.approx(200 * 1.2, rel=0.02)
    assert rim < 0.85 * middle


def test_the_nearer_part_hides_the_farther_one() -> None:
    near, far = ((0.0, 0.0, 5.0), 0.2, BLUE), ((0.0, 0.0, 10.0), 0.2, RED)
    for order in ((near, far), (far, near)):
        layer = drawn(Form.ELLIPSOID, *order)
        assert layer[2, 32, 32] > 100
        assert layer[0, 32, 32] < 1


def test_a_patch_is_dark_inside_and_clear_outside() -> None:
    rays = np.array([[-0.5, 0.0, 0.5]], np.float32), np.array([[0.2]], np.float32)
    # Ground 2 below the eye: the ray (0, 0.2, 1) meets it 10 ahead, the others 5 to the side of that.
    axes_and_normal = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]]).T
    alpha = flat_patch_alpha(rays, np.array([0.0, 2.0, 10.0]), np.linalg.inv(axes_and_normal), 0.5)
    np.testing.assert_allclose(alpha, [[0, 1, 0]], atol=1e-6)
