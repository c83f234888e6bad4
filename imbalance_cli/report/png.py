"""A scene as PNG, painted by matplotlib."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

import numpy as np

from imbalance_cli.report.fonts import choose_families, silence_matplotlib
from imbalance_cli.report.palette import COLOURS
from imbalance_cli.report.scene import Path, Ring, Text, lay_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.backends.backend_agg import RendererAgg
    from matplotlib.transforms import Transform

    from imbalance_cli.report.figures import Chart
    from imbalance_cli.report.scene import Scene

POINTS_PER_INCH = 72
SCALE = 2.0  # pixels a point
COLOURS_KEPT = 128  # of the palette of the file; a figure has a dozen and what lies between them
BEFORE_ANCHOR = {"start": 0.0, "middle": 0.5, "end": 1.0}  # the share of a text's width
RING_WIDTH = 1.2


def to_png(figure: Chart, heading: str) -> bytes:
    """Return a figure as PNG, on light paper, the same bytes for the same figure."""
    return _paint(lay_out(figure, heading))


def _paint(scene: Scene) -> bytes:
    silence_matplotlib()
    # the renderer alone: a figure of matplotlib imports axes of every kind, half a second of them
    from matplotlib.backends.backend_agg import RendererAgg  # noqa: PLC0415
    from matplotlib.transforms import Affine2D  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    height = scene.height * SCALE
    renderer = RendererAgg(scene.width * SCALE, height, POINTS_PER_INCH * SCALE)  # type: ignore[no-untyped-call]
    place = Affine2D().scale(SCALE, -SCALE).translate(0, height)
    families = choose_families("".join(s.text for s in scene.shapes if isinstance(s, Text)))
    corners = (0, 0), (scene.width, 0), (scene.width, scene.height), (0, scene.height)
    paper = Path("paper", corners, 0, fill=1)
    with warnings.catch_warnings():
        # what no font has is drawn as boxes, and reported once for all figures (fonts.py)
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        for shape in (paper, *scene.shapes):
            if isinstance(shape, Text):
                _write(renderer, shape, families)
            else:
                _draw(renderer, shape, place)
    content = io.BytesIO()
    pixels = np.asarray(renderer.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    picture = Image.fromarray(pixels)
    # a third of the bytes and half of the time that all of its colours take
    picture = picture.quantize(COLOURS_KEPT, method=Image.Quantize.FASTOCTREE)
    picture.save(content, "png", compress_level=4)
    return content.getvalue()


def _draw(renderer: RendererAgg, shape: Path | Ring, place: Transform) -> None:
    from matplotlib.colors import to_rgba  # noqa: PLC0415
    from matplotlib.path import Path as Outline  # noqa: PLC0415
    from matplotlib.transforms import Affine2D  # noqa: PLC0415

    edge, paper = COLOURS[shape.role].light, COLOURS["paper"].light
    fill = None
    context = renderer.new_gc()
    if isinstance(shape, Path):
        outline, width = Outline(shape.points), shape.width
        if shape.fill:
            fill = to_rgba(edge, shape.fill)
        elif shape.dashed:
            context.set_dashes(0, [4, 3])
        else:
            context.set_capstyle("projecting")
    else:
        outline, width = Outline.unit_circle(), RING_WIDTH
        edge, inner = (edge, paper) if shape.hollow else (paper, edge)
        fill = to_rgba(inner)
        place = Affine2D().scale(shape.radius).translate(shape.x, shape.y) + place
    context.set_foreground(edge)
    context.set_linewidth(width)
    renderer.draw_path(context, outline, place, fill)  # type: ignore[no-untyped-call]


def _write(renderer: RendererAgg, text: Text, families: Sequence[str]) -> None:
    from matplotlib.font_manager import FontProperties  # noqa: PLC0415

    font = FontProperties(
        family=list(families), size=text.size, weight="bold" if text.bold else "normal"
    )
    context = renderer.new_gc()
    context.set_foreground(COLOURS[text.role].light)
    width, _, _ = renderer.get_text_width_height_descent(text.text, font, ismath=False)  # type: ignore[no-untyped-call]
    x = text.x * SCALE - BEFORE_ANCHOR[text.anchor] * width
    renderer.draw_text(context, x, text.y * SCALE, text.text, font, 0)  # type: ignore[no-untyped-call]
