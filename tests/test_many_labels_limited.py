"""A fit of very many labels under a limit of memory that no array of all cells fits in."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from small_runs import write_config

if TYPE_CHECKING:
    from pathlib import Path

LIMITED = """
import resource, sys
import psutil
from imbalance_cli.network import training
from imbalance_cli.cli.app import main
from imbalance_cli.evaluation import scored_rows
from imbalance_cli.labels import encoding, targets
from imbalance_cli.readers import svmlight
from imbalance_cli.splits import covering
from imbalance_cli.workflows import predictions
small, large, dense, more = sys.argv[1:]
# what is worked on at a time, which takes the same memory however many cells there are
training.MOST_CELLS = scored_rows.CELLS_AT_ONCE = targets.BLOCK_CELLS = 2**18
predictions.CELLS_AT_ONCE = 2**18
covering.WATCHED_CELLS = 2**18
svmlight.BLOCK = 2**18
if main(["fit", small, "-q", "--overwrite"]):  # loads all that is needed
    sys.exit("the small fit failed")
if dense == "dense":
    svmlight.MOST_DENSE = encoding.MOST_DENSE = 10**6
limit = psutil.Process().memory_info().data + int(more)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
sys.exit(main(["fit", large, "-q", "--overwrite"]))
"""
MANY_ROWS, MANY_LABELS = 160_000, 3_000
MORE = 440 * 2**20  # bytes: a fit takes 250 MB, and there are 480 million cells


def write_many(path: Path, rows: int, labels: int) -> Path:
    """Write rows with a label or two each of very many."""
    random = np.random.default_rng(0)
    own = random.integers(labels, size=(rows, 2))
    own[:labels] = np.arange(labels)[:, None]
    features = random.integers(-64, 64, (rows, 2)) / 64
    pairs = zip(own.tolist(), features.tolist(), strict=True)
    path.write_text(
        "".join(f"{','.join(map(str, sorted({*a})))} 1:{x} 2:{z}\n" for a, (x, z) in pairs)
    )
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="the limit counts private memory on Linux")
@pytest.mark.parametrize(("form", "fits"), [("sparse", True), ("dense", False)])
def test_no_array_of_all_cells_is_made(
    form: str,
    fits: bool,  # noqa: FBT001  a parameter of pytest
    tmp_path: Path,
) -> None:
    settings: dict[str, Any] = {
        "model": {"hidden": [8]},
        "split": {"valid": 0.01, "test": 0.01},
        "training": {"epochs": 1, "device": "cpu", "batch_size": 128},
        "report": {"bootstrap": 0, "plots": False},
    }
    configs = []
    for name, rows, labels in (("small", 600, 300), ("large", MANY_ROWS, MANY_LABELS)):
        table = write_many(tmp_path / f"{name}.svm", rows, labels)
        output = {"directory": str(tmp_path / "runs"), "name": name}
        configs.append(write_config(tmp_path / f"{name}.yaml", table, output=output, **settings))
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *map(str, configs), form, str(MORE)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) is fits, done.stderr
