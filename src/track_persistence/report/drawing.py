"""Figures as inline SVG: the same bytes every time, ink in the colour of the surrounding text."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Stands for the page's text colour, which differs between light and dark.
INK = "#010203"
# Mid tones that keep a contrast above 3 on white and on near-black.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#3b7dd8", "#d9790f", "#1a9a6c", "#9061d6", "#858b94"

STYLE: Any = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.labelsize": 9.5,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "font.size": 9,
    "grid.alpha": 0.25,
    "grid.color": GREY,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",
}
_INTERNAL_IDS = re.compile(r' id="[A-Za-z0-9.]+_\d+"')
_SIZE = re.compile(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>')


@dataclass
class Drawing:
    """Axes in one row, and the SVG they become when the drawing block ends."""

    figure: Figure
    axes: list[Axes]
    parts: list[str] = field(default_factory=list)

    @property
    def svg(self) -> Markup:
        """The finished picture; empty inside the drawing block."""
        return Markup("".join(self.parts))  # noqa: S704 - written by matplotlib, which escapes every text


@contextmanager
def drawing(name: str, panels: int, height_in: float, title: str) -> Iterator[Drawing]:
    """Yield a drawing of `panels` axes side by side, 11 inches wide; `title` is read to the blind."""
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(11, height_in), layout="constrained")
        made = Drawing(figure, [figure.add_subplot(1, panels, 1 + panel) for panel in range(panels)])
        yield made
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    made.parts.append(_inline(buffer.getvalue(), title))


def _inline(svg: str, title: str) -> str:
    body = svg[svg.index("<svg ") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    box = _SIZE.match(body)
    assert box is not None, "matplotlib writes a viewBox"
    opening = f'<svg viewBox="{box.group(1)}" role="img" xmlns:xlink="http://www.w3.org/1999/xlink">'
    body = opening + f"<title>{Markup.escape(title)}</title>" + body[box.end() :]
    return _INTERNAL_IDS.sub("", body).replace(INK, "currentColor")
