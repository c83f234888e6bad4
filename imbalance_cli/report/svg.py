"""A scene as SVG: inside a page, whose style sheet colours it, or as a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from imbalance_cli.report.names import show_name
from imbalance_cli.report.palette import COLOURS, MARKS
from imbalance_cli.report.scene import Path, Ring, lay_out

if TYPE_CHECKING:
    from imbalance_cli.report.figures import Chart
    from imbalance_cli.report.scene import Scene, Shape

FONTS = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
LONGEST_HEADING = 200  # letters of the title that a reader hears


def to_inline_svg(figure: Chart, identity: str, heading: str) -> Markup:
    """Return a figure as an element of a page.

    Args:
        figure: what to draw.
        identity: of its title and description, unique in the page.
        heading: what a reader who does not see it hears first.
    """
    return _to_svg(lay_out(figure), identity, heading, figure.description, "")


def to_svg(figure: Chart, heading: str) -> bytes:
    """Return a figure as a file, on light paper."""
    scene = lay_out(figure, heading)
    paper = f'<rect width="100%" height="100%" fill="{COLOURS["paper"].light}"/>'
    style = f"<style>{figure_style()}{_colours()}</style>{paper}"
    return (_to_svg(scene, "figure", heading, figure.description, style) + "\n").encode()


def figure_style() -> str:
    """Return the style sheet of figures; colours are custom properties, named by role."""
    strokes = "".join(f".{role}{{--c:var(--{role})}}" for role in MARKS)
    lines = "".join(f".{role}{{--c:var(--{role})}}" for role in ("axis", "grid", "ink", "muted"))
    return (
        f"svg.figure text{{font-family:{FONTS};fill:var(--c)}}"
        "svg.figure path{fill:none;stroke:var(--c);stroke-linejoin:round}"
        "svg.figure path.area{fill:var(--c)}"
        "svg.figure path.dash{stroke-dasharray:4 3}"
        "svg.figure circle{fill:var(--c);stroke:var(--paper);stroke-width:1}"
        "svg.figure circle.hollow{fill:var(--paper);stroke:var(--c);stroke-width:1.4}"
        f"{strokes}{lines}"
    )


def _colours() -> str:
    light = "".join(f"--{role}:{colour.light};" for role, colour in COLOURS.items())
    return f"svg.figure{{{light}}}"


def _to_svg(scene: Scene, identity: str, heading: str, description: str, style: str) -> Markup:
    size = f"{scene.width:g} {scene.height:g}"
    title = escape(show_name(heading, LONGEST_HEADING))
    body = "".join(map(_draw, scene.shapes))
    return Markup(  # noqa: S704  every text in it went through escape
        f'<svg class="figure" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" '
        f'width="{scene.width:g}" height="{scene.height:g}" '
        f'aria-labelledby="{identity}-t" aria-describedby="{identity}-d">'
        f'<title id="{identity}-t">{title}</title>'
        f'<desc id="{identity}-d">{escape(description)}</desc>{style}{body}</svg>'
    )


def _draw(shape: Shape) -> str:
    match shape:
        case Path():
            kinds = f"{' dash' if shape.dashed else ''}{' area' if shape.fill else ''}"
            corners = " ".join(f"{x:.1f} {y:.1f}".replace(".0", "") for x, y in shape.points)
            width = f' stroke-width="{shape.width:g}"'
            fill = f' fill-opacity="{shape.fill:.2g}"' if shape.fill else ""
            return f'<path class="{shape.role}{kinds}" d="M{corners}"{width}{fill}/>'
        case Ring():
            hollow = " hollow" if shape.hollow else ""
            place = f'cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:g}"'
            return f'<circle class="{shape.role}{hollow}" {place}/>'
        case _:
            anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
            weight = ' font-weight="600"' if shape.bold else ""
            place = f'x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:g}"'
            text = escape(shape.text)
            return f'<text class="{shape.role}" {place}{anchor}{weight}>{text}</text>'
