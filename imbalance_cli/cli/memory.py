"""Telling that memory ran out, in whatever way that shows, and what to do about it."""

from __future__ import annotations

import sys
import traceback
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

POLARS_WORDS = "Polars binary is missing"
LOADING_WORDS = ("failed to map segment", "cannot allocate memory", POLARS_WORDS.lower())
"""What is said, in lower case, where a library does not fit into memory."""
WORDS = ("can't allocate memory", "out of memory")  # torch says so in words only, on the CPU
IMPORTS = "<frozen importlib"  # whose frames are in a traceback where a module was loaded
SMALLER = "a smaller training.batch_size, fewer model.members, or fewer rows"


def refuse_half_loaded_libraries() -> None:
    """Make an error of polars' warning that its library cannot be loaded, after which it hangs."""
    warnings.filterwarnings("error", message=POLARS_WORDS)


def explain_exhaustion(error: Exception) -> tuple[str, str] | None:
    """Return what to say and the hint where an error means that memory ran out, else None."""
    if any(_failed_to_load(one) for one in _chain(error)):
        problem = "the memory does not suffice to load the libraries"
        return problem, _limit_hint() or "run it where more memory is free"
    if isinstance(error, MemoryError):
        limit = _limit_hint()
        return "the memory does not suffice", f"{limit}; or {SMALLER}" if limit else SMALLER
    if isinstance(error, RuntimeError) and any(word in str(error) for word in WORDS):
        return "the memory does not suffice", SMALLER
    return None


def _failed_to_load(error: BaseException) -> bool:
    # some C code returns without an error where it gets no memory
    is_nameless = isinstance(error, SystemError) and _limit_hint() is not None
    if isinstance(error, MemoryError) or is_nameless:
        frames = traceback.extract_tb(error.__traceback__)
        return any(frame.filename.startswith(IMPORTS) for frame in frames)
    said = str(error).lower()
    is_load = isinstance(error, (ImportError, OSError, UserWarning))
    return is_load and any(words in said for words in LOADING_WORDS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _limit_hint() -> str | None:
    """Name the limit that the shell set to this process, if it did."""
    if sys.platform == "win32":
        return None
    import resource

    for option, limit in (("v", resource.RLIMIT_AS), ("d", resource.RLIMIT_DATA)):
        soft, _ = resource.getrlimit(limit)
        if soft != resource.RLIM_INFINITY:
            return f"raise the limit of this shell, {soft / 1e6:,.0f} MB (ulimit -{option})"
    return None
