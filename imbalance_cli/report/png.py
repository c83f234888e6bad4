"""A scene as PNG, painted by matplotlib."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np

from imbalance_cli.report.fonts import choose_families
from imbalance_cli.report.palette import COLOURS
from imbalance_cli.report.scene import Block, Path, Ring, Text, lay_out
from imbalance_cli.report.svg import DARKEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.artist import Artist

    from imbalance_cli.report.figures import Figure
    from imbalance_cli.report.scene import Scene, Shape

POINTS_PER_INCH = 72
SCALE = 2.0  # pixels a point
COLOURS_KEPT = 128  # of the palette of the file; a figure has a dozen and what lies between them
ALIGNMENT: dict[str, Literal["left", "center", "right"]] = {
    "start": "left",
    "middle": "center",
    "end": "right",
}
AREA = 0.22  # opacity


def to_png(figure: Figure, heading: str) -> bytes:
    """Return a figure as PNG, on light paper, the same bytes for the same figure."""
    return _paint(lay_out(figure, heading))


def _paint(scene: Scene) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  half a second
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415  pyplot looks for a display
    from matplotlib.transforms import Affine2D  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    size = scene.width / POINTS_PER_INCH, scene.height / POINTS_PER_INCH
    canvas = Canvas(size, dpi=POINTS_PER_INCH * SCALE, facecolor=COLOURS["paper"].light)
    words = "".join(shape.text for shape in scene.shapes if isinstance(shape, Text))
    families = choose_families(words)
    place = Affine2D().scale(SCALE, -SCALE).translate(0, scene.height * SCALE)
    for order, shape in enumerate(scene.shapes):
        artist = _artist(shape, families)
        artist.set_zorder(order)
        canvas.add_artist(artist)
        artist.set_transform(place)  # add_artist sets the canvas's own
    painter = FigureCanvasAgg(canvas)
    with warnings.catch_warnings():
        # what no font has is drawn as boxes, and told once for all figures (fonts.py)
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        painter.draw()  # type: ignore[no-untyped-call]
    content = io.BytesIO()
    pixels = np.asarray(painter.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    picture = Image.fromarray(pixels)
    # a third of the bytes and half of the time that all of its colours take
    picture = picture.quantize(COLOURS_KEPT, method=Image.Quantize.FASTOCTREE)
    picture.save(content, "png", compress_level=4)
    return content.getvalue()


def _artist(shape: Shape, families: Sequence[str]) -> Artist:
    from matplotlib import lines, patches, text  # noqa: PLC0415

    colour, paper = COLOURS[shape.role].light, COLOURS["paper"].light
    match shape:
        case Path(points=points, width=width) if shape.area:
            fill = (colour, AREA)
            return patches.Polygon(
                points, closed=False, facecolor=fill, edgecolor=colour, linewidth=width
            )
        case Path(points=points, width=width):
            x, y = zip(*points, strict=True)
            line = lines.Line2D(x, y, color=colour, linewidth=width, solid_joinstyle="round")
            if shape.dashed:
                line.set_linestyle((0, (4 / width, 3 / width)))
            return line
        case Block():
            corner, fill = (shape.x, shape.y), (colour, DARKEST * shape.shade)
            return patches.Rectangle(corner, shape.width, shape.height, facecolor=fill, linewidth=0)
        case Ring():
            inner, edge = (paper, colour) if shape.hollow else (colour, paper)
            return patches.Circle(
                (shape.x, shape.y), shape.radius, facecolor=inner, edgecolor=edge, linewidth=1.2
            )
        case Text():
            return text.Text(
                shape.x,
                shape.y,
                shape.text,
                color=colour,
                fontfamily=list(families),
                fontsize=shape.size,
                fontweight="bold" if shape.bold else "normal",
                horizontalalignment=ALIGNMENT[shape.anchor],
                verticalalignment="baseline",
                parse_math=False,
            )
