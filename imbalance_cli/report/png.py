"""A scene as PNG, painted by matplotlib."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, assert_never

from imbalance_cli.report.palette import COLOURS
from imbalance_cli.report.scene import Block, Path, Ring, Text, lay_out

if TYPE_CHECKING:
    from matplotlib.artist import Artist

    from imbalance_cli.report.figures import Figure
    from imbalance_cli.report.scene import Scene, Shape

POINTS_PER_INCH = 72
SCALE = 2.5  # pixels a point
ALIGNMENT = {"start": "left", "middle": "center", "end": "right"}
AREA, DARKEST = 0.22, 0.55  # opacity


def to_png(figure: Figure, heading: str) -> bytes:
    """Return a figure as PNG, on light paper, the same bytes for the same figure."""
    return _paint(lay_out(figure, heading))


def _paint(scene: Scene) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  half a second
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415  pyplot looks for a display
    from matplotlib.transforms import Affine2D  # noqa: PLC0415

    size = scene.width / POINTS_PER_INCH, scene.height / POINTS_PER_INCH
    canvas = Canvas(size, dpi=POINTS_PER_INCH * SCALE, facecolor=COLOURS["paper"].light)
    place = Affine2D().scale(SCALE, -SCALE).translate(0, scene.height * SCALE)
    for order, shape in enumerate(scene.shapes):
        artist = _artist(shape, place)
        artist.set_zorder(order)
        canvas.add_artist(artist)
        artist.set_transform(place)  # add_artist sets the figure's own
    content = io.BytesIO()
    with warnings.catch_warnings():
        # a name in a script that the font lacks is drawn as boxes; the page and the SVG have it
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        options = {"compress_level": 4}
        FigureCanvasAgg(canvas).print_png(content, metadata={"Software": None}, pil_kwargs=options)
    return content.getvalue()


def _artist(shape: Shape, place: Any) -> Artist:  # noqa: ANN401  matplotlib ships no types
    from matplotlib import lines, patches, text  # noqa: PLC0415

    colour = COLOURS[shape.role].light
    match shape:
        case Path(points=points) if shape.area:
            look = {"facecolor": (colour, AREA), "edgecolor": colour, "linewidth": shape.width}
            return patches.Polygon(points, closed=False, transform=place, **look)
        case Path():
            dashes = (0, (4 / shape.width, 3 / shape.width)) if shape.dashed else "-"
            look = {"color": colour, "linewidth": shape.width, "linestyle": dashes}
            return lines.Line2D(*zip(*shape.points, strict=True), **look)
        case Block():
            look = {"facecolor": (colour, DARKEST * shape.shade), "linewidth": 0}
            return patches.Rectangle((shape.x, shape.y), shape.width, shape.height, **look)
        case Ring():
            paper = COLOURS["paper"].light
            fill, edge = (paper, colour) if shape.hollow else (colour, paper)
            look = {"facecolor": fill, "edgecolor": edge, "linewidth": 1.2}
            return patches.Circle((shape.x, shape.y), shape.radius, **look)
        case Text():
            look = {"size": shape.size, "weight": "bold" if shape.bold else "normal"}
            look |= {"ha": ALIGNMENT[shape.anchor], "va": "baseline", "color": colour}
            return text.Text(shape.x, shape.y, shape.text, parse_math=False, **look)
        case _:
            assert_never(shape)
