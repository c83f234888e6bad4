"""Is what `imbtrain search` promises what rows give that no search has seen?

    python benchmarks/search.py [--data DIR] [--minutes 1] TABLE ...

Each table is searched with two fifths of its rows as the test part. Then the best candidate's model
(`fit --from-search`) and that of the config itself (`fit` with as many folds) are scored on it.
Printed are three gains over the config, in average precision: of the best candidate on the rows it
was chosen by; of the choice, cross-validated, which is what the search says to expect; and on the
test part.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pandas as pd

from imbalance_cli import workflows
from imbalance_cli.config import load_config

FOLDS, TEST = 4, 0.4


def measure(path: Path, minutes: float) -> dict[str, float | str | None]:
    """Return what a search of one table says, and what its test part says."""
    columns = list(pd.read_csv(path, nrows=0).columns)
    labels = ["y"] if "y" in columns else [name for name in columns if name.startswith("y_")]
    config = load_config(
        {
            "data": {"train": str(path), "labels": labels},
            "split": {"test": TEST, "valid": 0.1},
            "report": {"bootstrap": 0, "plots": False},
        },
        for_any_loss=True,
    )
    silent = workflows.Observer()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "search"
        result = workflows.search(config, minutes, run, silent, folds=FOLDS, overwrite=False)
        best, _ = workflows.choose(run, None, Path(folder) / "best", silent, overwrite=False)
        folded = config.with_repeats(FOLDS, networks=None)
        usual = workflows.fit(folded, Path(folder) / "config", silent, overwrite=False)
    scores = [one.macro["average_precision"] or 0.0 for one in (best, usual)]
    selection = result.selection
    return {
        "table": path.name.partition(".")[0],
        "tried": len(result.tried),
        "best": result.best.name,
        "config": selection.config,
        "plain gain": selection.best - selection.config,
        "expected gain": selection.nested - selection.config,
        "standard error": selection.standard_error,
        "gain on the test part": scores[0] - scores[1],
    }


def main() -> None:
    """Print a row a table, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", nargs="+")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--minutes", type=float, default=1.0)
    options = parser.parse_args()
    rows = []
    for name in options.tables:
        [path] = options.data.glob(f"{name}.csv*")
        rows.append(measure(path, options.minutes))
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows).set_index("table")
    print(table.round(4).to_string())
    print(table.mean(numeric_only=True).round(4).to_string())


if __name__ == "__main__":
    main()
