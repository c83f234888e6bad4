"""One transfer: from the web by Python itself, from a store by fsspec and the store's own package.

These find the credentials that the store's own programs use. What they raise is explained here in
the terms of this package.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imbalance_cli.errors import DependencyError, ImbtrainError, SourceError, show_bytes
from imbalance_cli.readers.urls import (
    FORMS,
    PACKAGES,
    address_of,
    has_listing,
    hide_credentials,
    scheme_of,
)

if TYPE_CHECKING:
    from pathlib import Path
    from urllib.request import Request

    from fsspec import AbstractFileSystem

SILENCE = 10.0  # seconds without a byte after which a server counts as not answering, ...
STORE_SILENCE = 30.0  # ... and a store, whose package may try again, and hold back megabytes
PIECE = 2**16  # bytes at a time
PAGES = frozenset({"text/html", "application/xhtml+xml"})
LOGIN = {
    "s3": "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, say who asks",
    "gs": "gcloud auth application-default login, or GOOGLE_APPLICATION_CREDENTIALS, say who asks",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, with AZURE_STORAGE_ACCOUNT_KEY or az login, say who asks",
    "hf": "HF_TOKEN says who asks",
}
"""Where the package of each store finds who asks."""
OF_THE_WEB = "USER:PASSWORD@ before the host; an address that was signed holds for a time only"
REFUSED = re.compile("credential|auth|forbidden|denied|account_name", re.IGNORECASE)
MISSING_CODES, REFUSED_CODES = {404, 410}, {401, 403, 407}

Heard = Callable[[int, int | None], None]
"""Receives how many bytes have come, and of how many if that is known."""


def read_web(name: str, path: Path, heard: Heard) -> None:
    """Write to a file what an http or https address answers.

    Raises:
        SourceError: it answers with a web page, more than fits on the disk, or not all of it.
    """
    from urllib.request import urlopen

    with urlopen(_request(address_of(name)), timeout=SILENCE) as answer:  # noqa: S310  http alone
        if answer.headers.get_content_type() in PAGES:
            raise SourceError(
                f"{name}: is a web page (text/html), not a table",
                hint="the address of the file itself, which its Raw or Download link has",
            )
        length = answer.headers["Content-Length"]
        total = int(length) if length and length.isdecimal() else None
        _refuse_full(path, total, name)
        with path.open("wb") as file:
            heard(0, total)
            while piece := answer.read1(PIECE):
                file.write(piece)
                heard(file.tell(), total)
    if total is not None and path.stat().st_size != total:
        raise SourceError(
            f"{name}: ended after {path.stat().st_size:,} of {total:,} bytes", hint="try again"
        )


def _request(url: str) -> Request:
    """Return a request whose password goes to the server that it is for, and to no other one."""
    import base64
    from urllib.parse import quote, unquote, urlsplit, urlunsplit
    from urllib.request import Request

    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    rest = [quote(part, safe="%/:;=&?@!$'()*+,~[]") for part in (parts.path, parts.query)]
    request = Request(urlunsplit((parts.scheme, host, *rest, "")))  # noqa: S310  http alone
    request.add_header("User-Agent", "imbtrain")
    if user:
        secret = base64.b64encode(unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {secret}")
    return request


def read_store(name: str, path: Path, heard: Heard) -> None:
    """Write to a file what a store has under a URL."""
    store = open_store(name)
    from fsspec.callbacks import Callback

    def told(total: int | None, done: int, **_: object) -> None:
        if not done:
            _refuse_full(path, total, name)
        heard(done, total)

    store.get_file(name, str(path), callback=Callback(hooks={"told": told}))


def open_store(name: str) -> AbstractFileSystem:
    """Return the store of a URL, by the package that reads it."""
    import fsspec

    options: dict[str, Any] = {}
    if scheme_of(name) == "s3":  # which tries again by itself, and tells as it goes if it is one
        limits = {"connect_timeout": SILENCE, "read_timeout": SILENCE}
        options["config_kwargs"] = limits | {"retries": {"total_max_attempts": 1}}
        options["max_concurrency"] = 1
    return fsspec.filesystem(scheme_of(name), skip_instance_cache=True, **options)


def _refuse_full(path: Path, size: int | None, name: str) -> None:
    import shutil

    free = shutil.disk_usage(path.parent).free
    if size is not None and size > free:
        raise SourceError(
            f"{name}: has {show_bytes(size)}, and {show_bytes(free)} are free in {path.parent}",
            hint="name a directory with room: TMPDIR=DIR",
        )


def explain_failure(name: str, error: Exception) -> ImbtrainError:
    """Return what is to be said of an error that was raised for a URL."""
    from urllib.error import HTTPError, URLError

    if isinstance(error, HTTPError):
        error.close()  # it is an answer too
    if isinstance(error, ImbtrainError):
        return error
    if isinstance(error, ImportError):
        return DependencyError(name, "cloud", PACKAGES[scheme_of(name) or ""])
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        error = error.reason
    problem, hint = _diagnose(name, error)
    return SourceError(f"{name}: {problem}", hint=hint)


def _diagnose(name: str, error: Exception) -> tuple[str, str | None]:
    """Return what is wrong with a URL, and what to do."""
    kind, code = type(error).__name__, getattr(error, "code", None)
    said = (error.strerror if isinstance(error, OSError) else None) or str(error)
    reason = hide_credentials(said.strip().partition("\n")[0]) or kind
    if code in MISSING_CODES or isinstance(error, FileNotFoundError):
        of_the_web = "the web has no lists of files: name each of them" if "*" in name else None
        of_a_store = "a directory of files ends in /"
        if scheme_of(name) == "hf":
            of_a_store += "; of what is private HF_TOKEN says who asks"
        return "no such file", of_a_store if has_listing(name) else of_the_web
    if kind == "gaierror":
        reason = "no such host"
    if (
        code in REFUSED_CODES
        or isinstance(error, PermissionError)
        or REFUSED.search(f"{kind} {reason}")
    ):
        return f"may not be read: {reason}", LOGIN.get(scheme_of(name) or "", OF_THE_WEB)
    if isinstance(error, TimeoutError) or "Timeout" in kind:
        return explain_silence(name)
    form = FORMS[scheme_of(name) or ""]
    return (
        f"cannot be fetched: {reason}",
        f"see whether the address is right (as {form}), and try again",
    )


def explain_silence(name: str, logged: str = "") -> tuple[str, str]:
    """Return that nothing was heard of a URL for too long, and what to do.

    Args:
        name: of the URL.
        logged: what the package that reads it has warned of since.
    """
    problem = f"no answer in {patience_for(name):g} seconds"
    if REFUSED.search(logged):
        return f"{problem}: {logged}", LOGIN.get(scheme_of(name) or "", OF_THE_WEB)
    return (
        problem,
        "see whether the address is right and the network is up; or download it, and name the file",
    )


def patience_for(name: str) -> float:
    """Return after how many seconds without a byte a URL counts as not answering."""
    return STORE_SILENCE if has_listing(name) else SILENCE
