"""Fonts of pictures: those that have the letters, and a word where none has."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING

import pytest
from matplotlib.ft2font import FT2Font
from report_data import make_report

from imbalance_cli.report import fonts, png
from imbalance_cli.report.run_figures import draw_run

if TYPE_CHECKING:
    from pathlib import Path

NOWHERE = "\u540d\u524d"  # which no font here has; a machine with one skips that test


def test_matplotlib_writes_no_lines_where_home_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    program = "from imbalance_cli.report.fonts import find_missing; print(find_missing(['a']))"
    kept = {name: value for name, value in os.environ.items() if name != "MPLCONFIGDIR"}
    kept = {name: value for name, value in kept.items() if not name.startswith("XDG_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=kept | {"HOME": str(tmp_path / "file" / "home"), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("\n", "")


def test_plain_letters_need_one_font() -> None:
    assert fonts.choose_families("plain_label \u00e9\u0416\u03b1") == [fonts.FIRST]
    assert fonts.describe_missing(["plain_label", "two\nlines"]) is None


def test_letters_that_the_first_font_lacks_are_looked_for_in_others() -> None:
    entries = {entry.name: entry.fname for entry in fonts._entries()}
    letter = next(
        chr(code)
        for name, file in sorted(entries.items())
        for code in sorted(FT2Font(file).get_charmap())
        if name.startswith("STIXGeneral") and not fonts._letters_of(fonts.FIRST) >= {chr(code)}
    )
    families = fonts.choose_families(f"a{letter}")
    assert families[0] == fonts.FIRST
    assert len(families) == 2
    assert letter in fonts._letters_of(families[1])
    assert fonts.find_missing([letter]) == ""
    ranking = draw_run(make_report([f"a{letter}", "b"]))[0]
    plain = draw_run(make_report(["a\ue123", "b"]))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert png.to_png(ranking, "x") != png.to_png(plain, "x")


def test_letters_that_no_font_has_are_told_once() -> None:
    if not fonts.find_missing([NOWHERE]):
        pytest.skip("a font here has Chinese letters")
    told = fonts.describe_missing([NOWHERE, f"{NOWHERE} again", "plain"])
    assert told is not None
    assert f"no installed font has {NOWHERE}, which are boxes there" in told
    many = "".join(chr(0x4E00 + i) for i in range(40))
    assert f"{many[:12]}..., which" in str(fonts.describe_missing([many]))
    assert png.to_png(draw_run(make_report([NOWHERE, "b"]))[0], "x")


def test_a_font_of_boxes_has_no_letters() -> None:
    assert not [name for name in fonts._families() if name.startswith("Last Resort")]
