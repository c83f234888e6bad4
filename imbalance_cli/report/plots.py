"""The figures of a page as files of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imbalance_cli.report.label_figures import draw_labels
from imbalance_cli.report.names import show_name
from imbalance_cli.report.png import to_png
from imbalance_cli.report.run_figures import draw_run
from imbalance_cli.report.svg import to_svg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imbalance_cli.report.contents import RunReport
    from imbalance_cli.report.figures import Chart

LONGEST_STEM = 40  # letters of a label in a file name


def draw_plots(report: RunReport) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file, SVG and PNG of every figure of a page."""
    for stem, heading, figure in _list_figures(report):
        yield f"{stem}.svg", to_svg(figure, heading)
        yield f"{stem}.png", to_png(figure, heading)


def _list_figures(report: RunReport) -> Iterator[tuple[str, str, Chart]]:
    """Yield the stem of the file, the heading and the figure."""
    for figure in draw_run(report):
        yield figure.name, figure.title, figure
    digits = len(str(len(report.curves)))
    for number, (curves, _, figures) in enumerate(draw_labels(report), start=1):
        name = show_name(curves.label, LONGEST_STEM)
        letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
        for figure in figures:
            # the number keeps names apart that differ in what a file name cannot hold
            stem = f"{number:0{digits}}-{letters}-{figure.name}"
            yield stem, f"{figure.title}: {name}", figure
