"""What pages have in common: one file with its own style and script, which loads nothing."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from imbalance_cli.metrics import compared_metrics
from imbalance_cli.report.palette import COLOURS
from imbalance_cli.report.scene import DARKEST
from imbalance_cli.report.svg import figure_style

PACKAGE, FOLDER = "imbalance_cli.report", "page"
SHADES = 10  # that a cell of a table can have, beside none


def render_page(template: str, **contents: Any) -> bytes:  # noqa: ANN401  what a template names
    """Return a page.

    Args:
        template: the name of its file.
        contents: what it shows, by the names that the template has for it.
    """
    environment = open_templates(autoescape=True)
    script = _read("page.js")
    style = _colours() + figure_style() + _read("page.css") + _shades() + _one_metric()
    page = environment.get_template(template).render(
        **contents,
        script=Markup(script),  # noqa: S704  our own file
        style=Markup(style),  # noqa: S704  our own file
        script_hash=_hash(script),
        style_hash=_hash(style),
    )
    # names may hold what no encoding can: half of a pair of UTF-16
    return (page + "\n").encode(errors="replace")


def open_templates(*, autoescape: bool) -> Environment:
    """Return what the templates of this package are read by."""
    loader = PackageLoader(PACKAGE, FOLDER)
    return Environment(loader=loader, autoescape=autoescape, undefined=StrictUndefined)  # noqa: S701  Markdown has its own escapes


def _read(name: str) -> str:
    return resources.files(PACKAGE).joinpath(FOLDER, name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return what a Content-Security-Policy knows an inline script or style by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _colours() -> str:
    """Return the palette as custom properties, for both kinds of paper."""

    def properties(side: str) -> str:
        colours = "".join(f"--{role}:{getattr(c, side)};" for role, c in COLOURS.items())
        return f"color-scheme:{side};{colours}"

    light, dark = properties("light"), properties("dark")
    return (
        f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        f":root[data-theme=light]{{{light}}}:root[data-theme=dark]{{{dark}}}"
    )


def _shades() -> str:
    shares = (DARKEST * i / SHADES for i in range(SHADES + 1))
    return "".join(f".s{i}{{--s:{share:.0%}}}" for i, share in enumerate(shares))


def _one_metric() -> str:
    """Return the rule that a table of several metrics shows the columns of the chosen one alone."""
    others = (f"table[data-metric={metric}] .m:not(.{metric})" for metric in compared_metrics())
    return f"{','.join(others)}{{display:none}}"
