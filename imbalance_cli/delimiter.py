"""Which characters may stand between two cells of delimited text."""

from __future__ import annotations

import re

WRITTEN = {"\\t": "\t", "tab": "\t"}  # what neither a shell nor YAML makes a tab of
PATTERN = r"\\t|tab|[\x01-\x09\x0b\x0c\x0e-!#-\/:-@\[-`{-\x7f]"
"""What a delimiter is, as it is written: each of these characters is one byte."""
RULE = "one ASCII character, or \\t, and no letter, digit, quote or end of a line"
"""The same in words."""


def parse_delimiter(text: str) -> str:
    r"""Return a delimiter as it stands between cells; \t and tab are a tab.

    Raises:
        ValueError: it is not what RULE says.
    """
    if not re.fullmatch(PATTERN, text):
        raise ValueError(f"{text!r} should be {RULE}")
    return WRITTEN.get(text, text)
