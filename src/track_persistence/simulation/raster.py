"""Ray casting of parts and ground patches into a crop window.

H, W rows and columns of the window, h, w of a part of it. A layer is (4, H, W) float32: RGB in 0..255 times alpha, then
alpha. Arrays are planar because numpy multiplies planes five times faster than interleaved colours.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.simulation.shapes import Form, Part
from track_persistence.simulation.textures import Texture, mip_for, mip_level
from track_persistence.simulation.views import CORNERS, SeenParts, Window

Array = NDArray[np.float64]
Plane = NDArray[np.float32]
TURN = 2 * np.pi
SUBPIXEL_BITS = 4
EDGE_PX = 3
# OpenCV fills a polygon together with a line around it; this much lies outside.
FILL_EXCESS_PX = 0.65
# How much brighter than ambient light the direct light is where it falls straight on.
DIRECT_LIGHT = 1.4
# Corner numbers of the face on the low and on the high side of each axis, in order around it.
FACES = (([0, 1, 3, 2], [4, 5, 7, 6]), ([0, 1, 5, 4], [2, 3, 7, 6]), ([0, 4, 6, 2], [1, 5, 7, 3]))


@dataclass(frozen=True, eq=False)
class Light:
    """A distant light: direction towards it (3,) in camera coordinates, ambient share, and gain of the moment."""

    direction: Array
    ambient: float
    gain: float

    def shade(self, facing: Any) -> Any:
        """Brightness of a surface whose unit normal has cosine `facing` with the light."""
        spot = np.float32((1 - self.ambient) * DIRECT_LIGHT * self.gain)
        return np.maximum(facing, np.float32(0)) * spot + np.float32(self.ambient * self.gain)


def new_layer(window: Window) -> Plane:
    """Return an empty, transparent layer."""
    return np.zeros((4, *window.shape), np.float32)


def draw_parts(
    target: Plane, window: Window, seen: SeenParts, index: int, parts: tuple[Part, ...], light: Light
) -> None:
    """Draw the parts of a body at frame `index` onto a layer or, without alpha, onto a canvas; the far ones first."""
    order: list[int] = np.argsort(-seen.centres_m[index, :, 2]).tolist()
    if Form.BOX in seen.forms:
        # Boxes are stacked from the ground up and seen from above: depth would put the lower one over the upper one.
        order = list(range(len(parts)))
    for number in order:
        where = window.part(seen.extents[index, number])
        if where is None:
            continue
        rows, columns = where
        centre, part = seen.centres_m[index, number], parts[number]
        if part.form is Form.ELLIPSOID:
            rays = window.x[None, columns], window.y[rows, None]
            left, top, right, bottom = seen.extents[index, number].tolist()
            half_px = (right - left) / window.step_x / 2, (bottom - top) / window.step_y / 2
            colour, alpha = _ellipsoid(rays, centre, seen.inverse[index, number], half_px, part, light)
        else:
            axes = seen.axes_m[index, number]
            corners = centre + CORNERS @ axes.T
            points = window.pixels(corners[:, :2] / corners[:, 2:]) - (columns.start, rows.start)
            size = (rows.stop - rows.start, columns.stop - columns.start)
            shown = _shown_faces(points.astype(np.float32), centre, axes, part, light)
            colour, alpha = _box(size, points.astype(np.float32), shown)
        view = target[:, rows, columns]
        view *= 1 - alpha
        view[:3] += colour
        if len(view) == 4:
            view[3] += alpha


def _ellipsoid(
    rays: tuple[Plane, Plane], centre: Array, inverse: Array, half_px: tuple[float, float], part: Part, light: Light
) -> tuple[Plane, Plane]:
    """Colour times alpha (3, h, w) and alpha (h, w) of an ellipsoid where the rays (column, row, 1) meet it.

    In the coordinates q where it is the unit sphere a ray is o + t d; its closest approach to the centre tells how much
    of a pixel on the outline is covered. half_px: half width and height of the outline, crop pixels.
    """
    column, row = rays
    basis = np.column_stack([inverse, -inverse @ centre])  # images of x, y, z and the origin of the rays
    gram = (basis.T @ basis).tolist()
    (xx, xy, xz, xo), (_, yy, yz, yo), (_, _, zz, zo), (*_, oo) = gram
    to = basis.tolist()
    # |d|^2 and o.d from their parts along rows and columns: a third of the work of adding up whole planes.
    a = column * (column * xx + 2 * xz) + (row * (row * yy + 2 * yz) + zz)
    a += (row * (2 * xy)) * column
    b = column * xo + (row * yo + zo)
    inside = b * b
    inside /= a
    inside -= oo - 1  # 1 - squared closest approach
    alpha = inside * (min(half_px) / 2) + np.float32(0.5)
    np.minimum(np.maximum(alpha, 0, out=alpha), 1, out=alpha)
    t = np.sqrt(np.maximum(inside, 0, out=inside) / a) + b / a  # minus the nearer of both solutions
    q = [to[k][3] - t * (column * to[k][0] + (row * to[k][1] + to[k][2])) for k in range(3)]
    texture = _lit_texture(part, half_px, (inverse @ light.direction) * part.half_m, light)
    height, width = texture.shape[:2]
    u = np.asarray(cv2.phase(q[0], q[2])) * (width / TURN)
    v = (q[1] + np.float32(1)) * (height / 2 - 0.5)
    colour = cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.multiply(colour.transpose(2, 0, 1), alpha), alpha


def _lit_texture(part: Part, half_px: tuple[float, float], towards: Array, light: Light) -> Plane:
    """Texture (h, w, 3) of an ellipsoid, as fine as it is seen, shaded by light from `towards` (3,) in its own axes."""
    height, width = part.faces[0][0].shape[:2]
    level = mip_level(part.faces[0], max(width / TURN / half_px[0], height / 2 / half_px[1]))
    x, y, z = towards.tolist()
    normals = part.normals[level]
    shade = light.shade(normals[0] * x + normals[1] * y + normals[2] * z)
    lit: Plane = np.multiply(part.faces[0][level], shade[:, :, None], dtype=np.float32)
    return lit


def _shown_faces(points: Plane, centre: Array, axes: Array, part: Part, light: Light) -> list[tuple[Any, Plane]]:
    """Lit texture and quad (4, 2) of each face of a box that looks at the camera; points: (8, 2) pixels."""
    squares = (axes * axes).sum(axis=0)
    along = (centre @ axes).tolist()
    lit = (light.direction @ axes / np.sqrt(squares)).tolist()
    faces: list[tuple[Any, Plane]] = []
    for axis, square in enumerate(squares.tolist()):
        # The near side of an axis is seen when the camera stands beyond its plane.
        if abs(along[axis]) <= square:
            continue
        side, facing = (0, -lit[axis]) if along[axis] > 0 else (1, lit[axis])
        quad = points[FACES[axis][side], :]
        texture = mip_for(part.faces[axis], _texels_per_px(part.faces[axis][0], quad))
        faces.append((cv2.convertScaleAbs(texture, alpha=float(light.shade(facing))), quad))
    return faces


def _box(size: tuple[int, int], points: Plane, faces: list[tuple[Any, Plane]]) -> tuple[Plane, Plane]:
    """Colour times alpha (3, h, w) and alpha (h, w) of a box: each shown face is one homography of its texture."""
    colour = np.zeros((*size, 3), np.uint8)
    # Pixels that the outline only touches take their face's mean colour; the others are sampled.
    for texture, quad in faces:
        fixed = np.rint(quad * 2**SUBPIXEL_BITS).astype(np.int32)
        cv2.polylines(colour, [fixed], True, cv2.mean(texture)[:3], EDGE_PX, cv2.LINE_8, SUBPIXEL_BITS)
    for texture, quad in faces:
        _warp(texture, quad, colour)
    mask = np.zeros(size, np.uint8)
    inwards = points - np.sign(points - points.mean(axis=0)) * np.float32(FILL_EXCESS_PX)
    fixed = np.rint(cv2.convexHull(inwards) * 2**SUBPIXEL_BITS).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, 255, cv2.LINE_AA, SUBPIXEL_BITS)
    alpha = mask * np.float32(1 / 255)
    return np.multiply(colour.transpose(2, 0, 1), alpha, dtype=np.float32), alpha


def _texels_per_px(texture: Texture, quad: Plane) -> float:
    area = abs(float(cv2.contourArea(quad)))
    return float(np.sqrt(texture.shape[0] * texture.shape[1] / max(area, 1.0)))


def _warp(texture: Any, quad: Plane, target: NDArray[np.uint8]) -> None:
    """Write the texture into `target` where `quad` (4, 2), from its top-left corner around, covers it."""
    height, width = texture.shape[:2]
    right, low = width - 0.5, height - 0.5
    around = np.array([(-0.5, -0.5), (right, -0.5), (right, low), (-0.5, low)], np.float32)
    homography = cv2.getPerspectiveTransform(around, quad)
    size = (target.shape[1], target.shape[0])
    cv2.warpPerspective(texture, homography, size, target, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)


def flat_patch_alpha(rays: tuple[Plane, Plane], centre: Array, inverse: Array, softness: float) -> Plane:
    """Coverage (h, w) of a soft elliptic patch where the rays (column, row, 1) meet its plane.

    centre (3,) and inverse (3, 3) of half axes and unit normal in camera coordinates. softness: width of the edge as a
    share of the radius.
    """
    column, row = rays
    to = inverse.astype(np.float32)
    # The small number keeps rays along the plane finite.
    below = column * to[2, 0] + (row * to[2, 1] + to[2, 2]) + np.float32(1e-12)
    t = np.float32(inverse[2] @ centre) / below
    c = (inverse @ centre).astype(np.float32)
    x, y = (t * (column * to[k, 0] + (row * to[k, 1] + to[k, 2])) - c[k] for k in range(2))
    edge = (np.float32(1) - np.sqrt(x * x + y * y)) / np.float32(softness) + np.float32(0.5)
    np.minimum(np.maximum(edge, 0, out=edge), 1, out=edge)
    # Rays that leave the plane behind the camera meet it at negative t.
    edge *= t > 0
    alpha: Plane = edge * edge * (3 - 2 * edge)
    return alpha


def polygon_mask(window: Window, corners: Array) -> Plane:
    """Coverage (H, W) of a convex polygon with normalised corners (N, 2)."""
    mask = np.zeros(window.shape, np.uint8)
    points = np.clip(window.pixels(corners), -2000, 2000)
    fixed = np.rint(points * 2**SUBPIXEL_BITS).astype(np.int32)
    cv2.fillConvexPoly(mask, fixed, 255, cv2.LINE_AA, SUBPIXEL_BITS)
    return mask * np.float32(1 / 255)
