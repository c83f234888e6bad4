"""How delimited text is written: between which characters cells stand, and which lines are rows."""

from __future__ import annotations

import dataclasses
import re

WRITTEN = {"\\t": "\t", "tab": "\t"}  # what neither a shell nor YAML makes a tab of
PATTERN = r"\\t|tab|[\x01-\x09\x0b\x0c\x0e-!#-\/:-@\[-`{-\x7f]"
"""What a delimiter is, as it is written: each of these characters is one byte."""
RULE = "one ASCII character, or \\t, and no letter, digit, quote or end of a line"
"""The same in words."""
COMMENT_PATTERN = r'[^\s"\u0000]+'
COMMENT_RULE = "one or more characters, and no blank, quote or end of a line"


@dataclasses.dataclass(frozen=True)
class Dialect:
    r"""How delimited text is written; what is None is as the first lines say.

    Attributes:
        delimiter: between two cells.
        header: whether the first line holds the names of the columns. Without them the columns
            are called column_1, column_2, ...
        skip_lines: lines before the header.
        skip_rows: lines below the header that are no rows, such as units.
        comment: what a line begins with that is left out, wherever it stands.
    """

    delimiter: str | None = None
    header: bool | None = None
    skip_lines: int | None = None
    skip_rows: int | None = None
    comment: str | None = None

    def given(self) -> dict[str, str | int]:
        """Return what is not None, by the names of its attributes."""
        return {key: value for key, value in vars(self).items() if value is not None}

    def or_else(self, usual: Dialect) -> Dialect:
        """Return this dialect, with what it leaves open as of another one."""
        return dataclasses.replace(usual, **self.given())  # type: ignore[arg-type]


UNKNOWN = Dialect()
"""Everything is as the first lines say."""


def parse_delimiter(text: str) -> str:
    r"""Return a delimiter as it stands between cells; \t and tab are a tab.

    Raises:
        ValueError: it is not what RULE says.
    """
    if not re.fullmatch(PATTERN, text):
        raise ValueError(f"{text!r} should be {RULE}")
    return WRITTEN.get(text, text)


def check_comment(text: str) -> str:
    """Return what a comment begins with, if it can be that.

    Raises:
        ValueError: it is not what COMMENT_RULE says.
    """
    if not re.fullmatch(COMMENT_PATTERN, text):
        raise ValueError(f"{text!r} should be {COMMENT_RULE}")
    return text
