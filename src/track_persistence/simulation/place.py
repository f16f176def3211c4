"""The surroundings of a scene: ground, wall, what hangs on it, and the light; rendered once per camera.

H, W rows and columns of the whole image.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.core.rig import Camera, StereoRig
from track_persistence.simulation.appearance import Wardrobe, clothed, surfaced
from track_persistence.simulation.config import PlaceConfig, RigConfig
from track_persistence.simulation.optics import build_rig, project, undistort, world_rays
from track_persistence.simulation.textures import (
    LIBRARY_SIZE_PX,
    Mips,
    Texture,
    coloured,
    mip_for,
    mips,
    noise_tile,
    pattern,
    random_colour,
)

Array = NDArray[np.float64]
Image = NDArray[Any]
TEXELS_PER_M = 110.0
POSTER_TEXELS = 96
POSTERS = ("plain", "blotches", "stripes", "gradient", "bricks")
COARSE_PX = (40, 24)
PYRAMID_LEVELS = 4


@dataclass(frozen=True, eq=False)
class Quad:
    """A flat rectangle: corners_m (4, 3) from the top left around, its picture, and its opacity."""

    corners_m: Array
    picture: Texture
    opacity: float


@dataclass(eq=False)
class Place:
    """Ground at y = ground_m, wall at z = wall_m, the light, and what hangs on the wall."""

    ground_m: float
    wall_m: float
    light: Array
    ambient: float
    wave: Array
    wave_phase: float
    light_change: float
    ground: Mips
    wall: Mips
    quads: list[Quad] = field(default_factory=list)

    def light_gain(self, positions_m: Array) -> Array:
        """Gain (...,) of the light at world positions (..., 3): smooth patches of sun and half shade."""
        gain: Array = 1 + self.light_change * np.sin(positions_m @ self.wave + self.wave_phase)
        return gain


def draw_place(rng: np.random.Generator, config: PlaceConfig, wardrobe: Wardrobe | None = None) -> Place:
    """Draw the surroundings, without anything on the wall yet; without a wardrobe, of plain surfaces."""
    low, high = np.log(config.wall_distance_m)
    light = np.array([rng.uniform(-1, 1), -rng.uniform(0.5, 1.2), -rng.uniform(0.2, 1.0)])
    wavelength_m = rng.uniform(5, 20)
    angle = rng.uniform(0, 2 * np.pi)
    return Place(
        ground_m=rng.uniform(*config.camera_height_m),
        wall_m=float(np.exp(rng.uniform(low, high))),
        light=light / np.linalg.norm(light),
        ambient=rng.uniform(*config.ambient_light),
        wave=2 * np.pi / wavelength_m * np.array([np.cos(angle), 0.4, np.sin(angle)]),
        wave_phase=rng.uniform(0, 2 * np.pi),
        light_change=config.light_change * rng.uniform(0.3, 1),
        ground=mips(surfaced(rng, wardrobe, LIBRARY_SIZE_PX)),
        wall=mips(surfaced(rng, wardrobe, LIBRARY_SIZE_PX)),
    )


def decorate(
    rng: np.random.Generator, place: Place, config: PlaceConfig, view_slope: float, wardrobe: Wardrobe | None = None
) -> None:
    """Hang posters, doors and window panes on the wall; `view_slope` is half the view's width at unit depth."""
    for _ in range(int(rng.integers(config.decorations[0], config.decorations[1] + 1))):
        width, height = rng.uniform(0.5, 2.5), rng.uniform(0.5, 2.4)
        x = rng.uniform(-1, 1) * view_slope * place.wall_m
        bottom = place.ground_m - (0 if rng.random() < 0.4 else rng.uniform(0.2, 2.5))
        corners = upright_corners(np.array([x, bottom - height / 2, place.wall_m - 0.02]), (width, height), 0.0)
        if rng.random() < 0.4:
            place.quads.append(Quad(corners, pane_picture(rng), rng.uniform(0.5, 0.9)))
        else:
            place.quads.append(Quad(corners, clothed(rng, wardrobe, POSTER_TEXELS, POSTERS), 1.0))


def upright_corners(middle_m: Array, size_m: tuple[float, float], turn_rad: float) -> Array:
    """Corners (4, 3) of an upright rectangle, facing the cameras when `turn_rad` is 0."""
    across = np.array([np.cos(turn_rad), 0, np.sin(turn_rad)]) * size_m[0] / 2
    down = np.array([0, size_m[1] / 2, 0])
    return np.stack(
        [middle_m - across - down, middle_m + across - down, middle_m + across + down, middle_m - across + down]
    )


def pane_picture(rng: np.random.Generator) -> Texture:
    """Return a window pane: bluish sky gradient, faint streaks, a frame."""
    size = POSTER_TEXELS
    top = random_colour(rng, (0.05, 0.35), (0.45, 0.9))
    low = top * np.float32(rng.uniform(0.3, 0.8))
    picture = coloured(pattern(rng, "gradient", size), noise_tile(rng, size), (top, low), 0.06)
    frame = tuple(int(c) for c in random_colour(rng, (0.0, 0.4), (0.1, 0.9)))
    cv2.rectangle(picture, (0, 0), (size - 1, size - 1), frame, int(rng.integers(3, 9)))
    return picture


@dataclass(frozen=True, eq=False)
class _Rays:
    """Where the rays of a camera's pixels meet planes at unit distance.

    wall: (2, H, W) float32, x and y at z = 1. ground: (2, H, W) float32, x and z at y = 1, huge above the horizon.
    coarse: (h, w, 3) directions on a coarse grid.
    """

    wall: Image
    ground: Image
    coarse: Array


@lru_cache(maxsize=4)
def _rays(config: RigConfig, number: int) -> _Rays:
    camera = build_rig(config).cameras[number]
    width, height = camera.image_size_px
    full = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)
    x, y, z = np.moveaxis(world_rays(camera, undistort(camera, full)), -1, 0)
    down = np.maximum(y, 1e-6)
    columns = (np.arange(COARSE_PX[0]) + 0.5) * width / COARSE_PX[0] - 0.5
    rows = (np.arange(COARSE_PX[1]) + 0.5) * height / COARSE_PX[1] - 0.5
    coarse = np.stack(np.meshgrid(columns, rows), axis=-1)
    return _Rays(
        wall=np.stack([x / z, y / z]).astype(np.float32),
        ground=np.stack([x / down, z / down]).astype(np.float32),
        coarse=world_rays(camera, undistort(camera, coarse)),
    )


def render_place(place: Place, rig: StereoRig, config: RigConfig, number: int) -> tuple[Image, ...]:
    """Render what camera `number` sees without any object: a pyramid of (H, W, 3) uint8 images, each half as large."""
    camera = rig.cameras[number]
    image = _planes(place, camera, _rays(config, number))
    gain = _light_gains(place, camera, _rays(config, number).coarse)
    full = cv2.resize(np.clip(gain * 128, 0, 255).astype(np.uint8), camera.image_size_px)
    image = cv2.multiply(image, cv2.merge([full, full, full]), scale=1 / 128)
    for quad in place.quads:
        _paint(image, quad, camera, float(place.light_gain(quad.corners_m.mean(axis=0))))
    levels = [image]
    for _ in range(PYRAMID_LEVELS - 1):
        height, width = levels[-1].shape[:2]
        levels.append(cv2.resize(levels[-1], (max(width // 2, 1), max(height // 2, 1)), interpolation=cv2.INTER_AREA))
    return tuple(levels)


def _light_gains(place: Place, camera: Camera, rays: Array) -> Array:
    """Brightness (h, w) of ground and wall along coarse rays (h, w, 3)."""
    height, depth = place.ground_m - camera.centre_m[1], place.wall_m - camera.centre_m[2]
    on_ground = rays[..., 1] * depth > rays[..., 2] * height
    reach = np.where(on_ground, height / np.where(on_ground, rays[..., 1], 1.0), depth / rays[..., 2])
    points = camera.centre_m + reach[..., None] * rays
    diffuse = np.where(on_ground, -place.light[1], -place.light[2])
    gains: Array = (place.ambient + (1 - place.ambient) * 1.4 * np.maximum(diffuse, 0)) * place.light_gain(points)
    return gains


def _planes(place: Place, camera: Camera, rays: _Rays) -> Image:
    """Texture the ground and the wall, in bands of rows so that each takes a texture level without aliasing."""
    height, depth = place.ground_m - camera.centre_m[1], place.wall_m - camera.centre_m[2]
    on_ground = rays.wall[1] > np.float32(height / depth)
    image = np.empty((*on_ground.shape, 3), np.uint8)
    focal = float(camera.intrinsics[0, 0])
    wall_rows, ground_rows = np.flatnonzero(~on_ground.all(axis=1)), np.flatnonzero(on_ground.any(axis=1))
    if len(wall_rows):
        band = slice(int(wall_rows[0]), int(wall_rows[-1]) + 1)
        start_m = camera.centre_m[0], camera.centre_m[1]
        image[band] = _sampled(place.wall, rays.wall[:, band], depth, start_m, depth / focal)
    if len(ground_rows):
        first, last = int(ground_rows[0]), int(ground_rows[-1]) + 1
        edges = sorted({first, *(first + (last - first) * part // 16 for part in (1, 2, 4, 8)), last})
        start_m = camera.centre_m[0], camera.centre_m[2]
        for top, bottom in pairwise(edges):
            rows = slice(top, bottom)
            far = min(float(np.median(rays.ground[1, (top + bottom) // 2])) * height, depth)
            # Footprints across and along the view differ; their geometric mean trades blur for aliasing.
            footprint_m = far / focal * float(np.sqrt(max(far / height, 1.0)))
            band_image = _sampled(place.ground, rays.ground[:, rows], height, start_m, footprint_m)
            here = on_ground[rows]
            image[rows] = band_image if here.all() else np.where(here[..., None], band_image, image[rows])
    return image


def _sampled(levels: Mips, unit: Image, reach_m: float, start_m: tuple[float, float], footprint_m: float) -> Image:
    """Sample a plane `reach_m` away, at points `unit` (2, H, W) of the plane at unit distance."""
    texture = mip_for(levels, footprint_m * TEXELS_PER_M)
    scale = TEXELS_PER_M * texture.shape[0] / levels[0].shape[0]
    u, v = (
        plane * np.float32(reach_m * scale) + np.float32(start * scale - 0.5)
        for plane, start in zip(unit, start_m, strict=True)
    )
    return np.asarray(cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))


def _paint(image: Image, quad: Quad, camera: Camera, gain: float) -> None:
    """Blend the picture of a quad into the image where it is seen."""
    corners = project(camera, quad.corners_m).astype(np.float32)
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2, camera.image_size_px)
    if (high <= low).any():
        return
    view = image[low[1] : high[1], low[0] : high[0]]
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    height, width = quad.picture.shape[:2]
    levels = mips(quad.picture)
    picture = mip_for(levels, float(np.sqrt(height * width / max(cv2.contourArea(corners), 1.0))))
    height, width = picture.shape[:2]
    around = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - np.float32(0.5)
    homography = cv2.getPerspectiveTransform(around, corners - low.astype(np.float32))
    lit = cv2.convertScaleAbs(picture, alpha=gain)
    warped = cv2.warpPerspective(lit, homography, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillConvexPoly(mask, np.rint((corners - low) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    alpha = mask[..., None] * np.float32(quad.opacity / 255)
    view[:] = (view * (1 - alpha) + warped * alpha).astype(np.uint8)
