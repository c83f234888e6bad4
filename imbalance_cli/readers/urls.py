"""Names of sources that are URLs, and what of them may be shown.

A URL may hold a password before its host, and a signature behind `?`. Inside of this package its
name is the URL without both, which messages, runs and pages may hold; what was given is kept here
for the time that it is fetched.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from imbalance_cli.errors import SourceError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES = {
    "https": None,
    "http": None,
    "s3": "s3fs",
    "gs": "gcsfs",
    "az": "adlfs",
    "hf": "huggingface_hub",
}
"""What reads each scheme, of the extra `cloud`; None is Python itself."""

FORMS = {
    "https": "https://HOST/FILE",
    "http": "http://HOST/FILE",
    "s3": "s3://BUCKET/FILE",
    "gs": "gs://BUCKET/FILE",
    "az": "az://CONTAINER/FILE",
    "hf": "hf://datasets/OWNER/NAME/FILE",
}
"""What a URL of each scheme looks like."""

WEB = frozenset({"http", "https"})
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
IN_A_TEXT = re.compile(rf"{SCHEME.pattern}((?:(?!,\s*{SCHEME.pattern})[^\s'\"])*)")
_given: dict[str, str] = {}  # by the name that is shown


def is_url(name: str) -> bool:
    """Return whether a name is a URL, of any scheme."""
    return SCHEME.match(name) is not None


def hide_credentials(text: str) -> str:
    """Return a text with URLs in it without their users, passwords and queries."""
    return IN_A_TEXT.sub(lambda found: show_url(found[0]), text)


def show_url(given: str) -> str:
    """Return a URL as it may be shown; what is none as it is."""
    scheme, mark, rest = given.partition("://")
    if not is_url(given):
        return given
    host, slash, path = rest.partition("/")
    rest = f"{host.rpartition('@')[2]}{slash}{path}"
    is_store = PACKAGES.get(scheme.lower()) is not None
    if not (is_store and "=" not in rest.partition("?")[2]):  # s3://bucket/part-?.csv is a pattern
        closing = rest[len(rest.rstrip("]")) :]  # of a list of URLs
        rest = re.split("[?#]", rest.removesuffix(closing))[0] + closing
    return f"{scheme}{mark}{rest}"


def name_url(given: str) -> str:
    """Return the name of a source: of a URL what may be shown of it, else what is given.

    Raises:
        SourceError: it is a URL of a scheme that is not read, or names no host or bucket.
    """
    found = SCHEME.match(given)
    if found is None:
        return given
    scheme, shown = found[1].lower(), show_url(given)
    if scheme == "file":
        raise SourceError(f"{shown}: a file here", hint=f"its path alone: {given[found.end() :]}")
    if scheme not in PACKAGES:
        schemes = [f"{known}://" for known in PACKAGES]
        raise SourceError(
            f"{shown}: no scheme {found[1]!r} is read",
            hint=nearest(found[0], schemes) or f"one of {', '.join(schemes)}",
        )
    if not shown[found.end() :].partition("/")[0]:
        raise SourceError(f"{shown}: names no file", hint=f"such as {FORMS[scheme]}")
    if shown != given and scheme not in WEB:
        raise SourceError(
            f"{shown}: was given with more than that, and only {FORMS[scheme]} is read",
            hint="a signed address begins with https://",
        )
    if shown != given:
        _given[shown] = given
    return shown


def name_urls(given: Sequence[str]) -> list[str]:
    """Return the names of several sources, as of `name_url`.

    Raises:
        SourceError: as of `name_url`, or two differ only in what may not be shown.
    """
    names = [name_url(name) for name in given]
    last = dict(zip(names, given, strict=True))
    for name, url in zip(names, given, strict=True):
        if last[name] != url:
            raise SourceError(
                f"{name}: is given twice, with other passwords or other words behind ?, which are "
                "not shown and not kept",
                hint="download what they stand for, and name the files",
            )
    return names


def explain_one_slash(name: str) -> str | None:
    """Return what to do about a path that was perhaps a URL; a Path of Python makes // one /."""
    scheme, colon, rest = name.partition(":/")
    is_near = bool(colon) and scheme.lower() in PACKAGES and not rest.startswith("/")
    return f"a URL begins with {scheme}://, and is a str in Python" if is_near else None


def address_of(name: str) -> str:
    """Return the URL that was given for a name, with what is not shown of it."""
    return _given.get(name, name)


def scheme_of(name: str) -> str | None:
    """Return the scheme of a URL, in lower case; None of what is none."""
    found = SCHEME.match(name)
    return None if found is None else found[1].lower()


def has_listing(name: str) -> bool:
    """Return whether a name is a URL of a store, which can say what files it has."""
    return scheme_of(name) not in {None, *WEB}
