"""`python -m imbalance_cli` is the `imbtrain` command."""

import sys

from imbalance_cli.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
