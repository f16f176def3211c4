"""Pictures of flat or cut-out things that stand about: cones, signs, bushes, posters with a figure.

Each is RGB (H, W, 3) uint8 with an opacity (H, W) in [0, 1], tight around the thing.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from track_persistence.simulation.textures import Texture, cloth, coloured, noise_tile, pattern, random_colour

Alpha = NDArray[np.float32]
SIZE_PX = 96
# Rows and columns of the picture of a sign, which is slim.
SIGN_PX = (150, 56)
SIGNAL_COLOURS = ((235, 95, 25), (240, 200, 30), (215, 40, 35), (60, 180, 70), (40, 90, 200))
PALE = (225, 225, 220)


def _round_shade(columns: int) -> NDArray[np.float32]:
    """Brightness (1, columns, 1) across an upright round thing, lit from the front."""
    across = np.linspace(-1, 1, columns, dtype=np.float32)
    return (np.float32(0.55) + np.float32(0.5) * np.sqrt(1 - across**2))[None, :, None]


def cone(rng: np.random.Generator) -> tuple[Texture, Alpha]:
    """Return a traffic cone: bands of two colours on a foot."""
    size = SIZE_PX
    signal = np.array(SIGNAL_COLOURS[int(rng.choice([0, 0, 0, 1, 2]))], np.float32) * np.float32(rng.uniform(0.7, 1.05))
    rows = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    bands, start = rng.uniform(0.12, 0.24), rng.uniform(0.1, 0.35)
    pale = ((rows > start) & (rows < start + bands)) | ((rows > start + 1.9 * bands) & (rows < start + 2.7 * bands))
    field = np.broadcast_to(pale, (size, size)).astype(np.float32)
    picture = coloured(field, noise_tile(rng, size), (signal, np.array(PALE)), 0.06)
    mask = np.zeros((size, size), np.uint8)
    foot, top = int(size * 0.93), int(size * rng.uniform(0.04, 0.1))
    middle, low = size // 2, int(size * rng.uniform(0.3, 0.38))
    outline = np.array([[middle - top, 0], [middle + top, 0], [middle + low, foot], [middle - low, foot]], np.int32)
    cv2.fillConvexPoly(mask, outline, 255, cv2.LINE_AA)
    shade = np.ones((size, size, 1), np.float32)
    for row in range(foot):
        half = int(top + (low - top) * row / foot)
        shade[row, middle - half : middle + half + 1] = _round_shade(2 * half + 1)[0]
    picture = np.clip(picture * shade, 0, 255).astype(np.uint8)
    cv2.rectangle(mask, (0, foot - 2), (size - 1, size - 1), 255, -1)
    picture[foot - 2 :] = (signal * np.float32(rng.uniform(0.2, 0.9))).astype(np.uint8)
    return np.asarray(picture, np.uint8), mask * np.float32(1 / 255)


def sign(rng: np.random.Generator) -> tuple[Texture, Alpha]:
    """Return a sign on a pole: a disc, a triangle or a board with bars like lettering."""
    height, width = SIGN_PX
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = int(rng.uniform(70, 170))
    mask = np.zeros((height, width), np.uint8)
    half, pole, form = width // 2, int(rng.integers(1, 4)), int(rng.integers(3))
    cv2.rectangle(mask, (half - pole, half), (half + pole, height - 1), 255, -1)
    ground = tuple(int(c) for c in random_colour(rng, (0.0, 0.9), (0.3, 1.0)))
    rim = SIGNAL_COLOURS[int(rng.integers(len(SIGNAL_COLOURS)))]
    for radius, colour in ((half - 1, rim), (int(half * rng.uniform(0.65, 0.9)), ground)):
        outline = np.asarray(_sign_outline(form, radius) + half, np.int32)
        cv2.fillConvexPoly(picture, outline, colour, cv2.LINE_AA)
        cv2.fillConvexPoly(mask, outline, 255, cv2.LINE_AA)
    ink = tuple(int(c) for c in random_colour(rng, (0.0, 0.9), (0.0, 1.0)))
    _lettering(rng, picture, (half // 2, 2 * half // 3, half, half), ink)
    return np.asarray(picture, np.uint8), mask * np.float32(1 / 255)


def _sign_outline(form: int, radius: int) -> NDArray[np.int32]:
    """Outline (N, 2) around (0, 0) of a disc (0), a triangle (1) or a board (2)."""
    if form == 0:
        return np.asarray(cv2.ellipse2Poly((0, 0), (radius, radius), 0, 0, 360, 10), np.int32)
    if form == 1:
        return np.array([[0, -radius], [radius, radius], [-radius, radius]], np.int32)
    return np.array([[-radius, -radius], [radius, -radius], [radius, radius], [-radius, radius]], np.int32)


def _lettering(
    rng: np.random.Generator, picture: Texture, box: tuple[int, int, int, int], ink: tuple[int, ...]
) -> None:
    """Fill a box x, y, width, height with lines of short bars."""
    left, top, width, height = box
    lines = int(rng.integers(1, 4))
    step = max(height // lines, 3)
    for line in range(lines):
        column = left
        while column < left + width:
            length = int(rng.integers(2, 7))
            low = top + line * step
            cv2.rectangle(picture, (column, low), (column + length, low + max(step // 2, 1)), ink, -1)
            column += length + int(rng.integers(2, 5))


def bush(rng: np.random.Generator) -> tuple[Texture, Alpha]:
    """Return a bush: lumps of leaves with a ragged outline."""
    size = SIZE_PX
    steps = np.linspace(-1, 1, size, dtype=np.float32)
    x, y = steps[None], steps[:, None]
    lumps = np.full((size, size), -9, np.float32)
    for _ in range(int(rng.integers(3, 8))):
        dx, dy = np.float32(rng.uniform(-0.5, 0.5)), np.float32(rng.uniform(-0.45, 0.6))
        wide, high = np.float32(rng.uniform(0.3, 0.55)), np.float32(rng.uniform(0.3, 0.6))
        np.maximum(lumps, 1 - ((x - dx) / wide) ** 2 - ((y - dy) / high) ** 2, out=lumps)
    leaves = rng.standard_normal((size // 3, size // 3)).astype(np.float32)
    fine = np.asarray(cv2.resize(leaves, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
    ragged = lumps + np.float32(0.35) * fine + np.float32(0.25) * noise_tile(rng, size)
    alpha = np.clip(ragged * 4, 0, 1)
    hue = (0.2, 0.4) if rng.random() < 0.75 else (0.03, 0.16)
    dark, light = random_colour(rng, (0.3, 0.8), (0.08, 0.3), hue), random_colour(rng, (0.3, 0.75), (0.35, 0.7), hue)
    field = np.clip(np.float32(0.5) + np.float32(0.3) * fine - np.float32(0.25) * y, 0, 1)
    picture = coloured(field, noise_tile(rng, size), (dark, light), 0.15)
    rows, columns = np.flatnonzero(alpha.max(axis=1) > 0.5), np.flatnonzero(alpha.max(axis=0) > 0.5)
    cut = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    return np.ascontiguousarray(picture[cut]), np.ascontiguousarray(alpha[cut])


def poster(rng: np.random.Generator) -> tuple[Texture, Alpha]:
    """Return a poster: a figure before a plain ground, and lettering."""
    size = SIZE_PX
    picture = cloth(rng, size, ("plain", "plain", "gradient", "stripes"))
    skin = tuple(int(c * rng.uniform(0.4, 1.05)) for c in (225, 180, 150))
    shirt, trousers, ink = (tuple(int(c) for c in random_colour(rng, (0.0, 0.9), (0.05, 0.95))) for _ in range(3))
    middle, head = int(size * rng.uniform(0.35, 0.65)), int(size * rng.uniform(0.07, 0.14))
    top = int(size * rng.uniform(0.08, 0.25))
    shoulder, hip = top + 2 * head, top + 2 * head + int(3.2 * head)
    lean = int(rng.integers(-head, head + 1))
    for side in (-1, 1):
        foot = (middle + side * int(head * rng.uniform(0.4, 1.4)) + lean, min(hip + 4 * head, size - 1))
        cv2.line(picture, (middle + side * head // 2, hip), foot, trousers, max(head, 2), cv2.LINE_AA)
        hand = (middle + side * int(head * rng.uniform(1.2, 2.6)), shoulder + int(head * rng.uniform(-1.0, 3.0)))
        cv2.line(picture, (middle + side * head, shoulder + head // 2), hand, shirt, max(2 * head // 3, 2), cv2.LINE_AA)
    cv2.ellipse(
        picture, (middle, (shoulder + hip) // 2), (int(1.2 * head), (hip - shoulder) // 2 + 2), 0, 0, 360, shirt, -1
    )
    cv2.ellipse(picture, (middle, top + head), (int(0.75 * head), head), 0, 0, 360, skin, -1, cv2.LINE_AA)
    for y in (0.02, 0.86):
        if rng.random() < 0.6:
            _lettering(rng, picture, (int(size * 0.1), int(size * y), int(size * 0.75), int(size * 0.1)), ink)
    if rng.random() < 0.6:
        edge = tuple(int(c) for c in random_colour(rng, (0.0, 0.4), (0.0, 1.0)))
        cv2.rectangle(picture, (0, 0), (size - 1, size - 1), edge, int(rng.integers(1, 5)))
    return picture, pattern(rng, "plain", size) + np.float32(1)
