"""`python -m imbalance_cli` is the `imbtrain` command, and so is the script of that name."""

import gc
import os
import signal
import sys

GARBAGE = 100_000
"""New objects between two searches for garbage: with Python's 700 they take a seventh of the time
of the imports, whose objects all stay."""


def main() -> int:
    """Run the command line and return its exit code.

    Ctrl-C while it is imported ends the process at once: nothing is open yet.
    """
    gc.set_threshold(GARBAGE)
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_ours:
        signal.signal(signal.SIGINT, _end)
    from imbalance_cli.cli.app import main as run  # noqa: PLC0415  see above

    if is_ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


def _end(*_: object) -> None:
    os.write(2, b"error: interrupted\n")
    os._exit(130)


if __name__ == "__main__":
    sys.exit(main())
