"""Kill `fit` with SIGKILL at random moments, go on with --resume, compare with a whole run.

    python benchmarks/interruptions.py
    python benchmarks/interruptions.py --kills 40 --streamed 10 --seed 1

The moments are spread over the time that the whole run took, one by chance in each of as many equal
parts of it. The process alone is killed, as `kill -9` does, not those that it forked. What is
compared, byte for byte: weights, metrics and predictions.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS, FEATURES = 3_000, 8
COMPARED = ("model.safetensors", "metrics.csv", "metrics.json", "predictions.parquet")


def main() -> None:
    """Print a row per kill, and how many runs came out otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of a fit with its rows in memory")
    parser.add_argument("--streamed", type=int, default=4, help="of one with data.in_memory: false")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    print("| rows | killed after s | of s | it had come to | goes on | differs |")
    print("|---|---:|---:|---|---|---|")
    differing = 0
    with tempfile.TemporaryDirectory() as folder:
        for rows, kills in (("in memory", options.kills), ("streamed", options.streamed)):
            if not kills:
                continue
            place = Path(folder) / rows.replace(" ", "_")
            command = write_config(place, is_streamed=rows == "streamed")
            whole, seconds = run_whole(place, command)
            for number in range(kills):
                moment = seconds * (number + random.random()) / kills
                reached, said = kill_and_go_on(place, command, moment)
                other = [name for name in COMPARED if read(place, name) != whole[name]]
                differing += bool(other)
                cells = rows, f"{moment:.2f}", f"{seconds:.2f}", reached, said
                print(f"| {' | '.join(cells)} | {', '.join(other) or 'nothing'} |", flush=True)
    print(f"\n{differing} of {options.kills + options.streamed} runs differ.")
    sys.exit(bool(differing))


def write_config(place: Path, *, is_streamed: bool) -> list[str]:
    """Write a table and its config, and return the command that fits it."""
    place.mkdir()
    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, FEATURES))
    y = random.random(ROWS) < 1 / (1 + np.exp(2.2 - x[:, 0] - 0.5 * x[:, 1] * x[:, 2]))
    lines = [",".join([*(f"x{i}" for i in range(FEATURES)), "y"])]
    lines += [",".join([*map(str, row), str(int(label))]) for row, label in zip(x, y, strict=True)]
    (place / "rows.csv").write_text("\n".join(lines) + "\n")
    in_memory = "false" if is_streamed else "true"
    (place / "config.yaml").write_text(
        f"data: {{train: rows.csv, labels: [y], in_memory: {in_memory}}}\n"
        "training: {epochs: 16, checkpoint_every: 1}\nreport: {plots: false}\n"
    )
    command = "import sys; from imbalance_cli.cli.app import main; sys.exit(main())"
    fit = ["fit", "config.yaml", "--run-dir", "run", "--format", "json"]
    return [sys.executable, "-c", command, *fit]


def run_whole(place: Path, command: list[str]) -> tuple[dict[str, bytes], float]:
    """Return the files of a run that is never stopped, and the seconds it took."""
    subprocess.run(command, cwd=place, check=True, capture_output=True)  # the caches are warm then
    start = time.perf_counter()
    subprocess.run([*command, "--overwrite"], cwd=place, check=True, capture_output=True)
    return {name: read(place, name) for name in COMPARED}, time.perf_counter() - start


def kill_and_go_on(place: Path, command: list[str], moment: float) -> tuple[str, str]:
    """Return what the last line of a killed run was, and what the one that goes on says first."""
    shutil.rmtree(place / "run")
    process = subprocess.Popen(
        command,
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=(place / "stderr").open("wb"),
    )
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    lines = (place / "stderr").read_text().splitlines()
    reached = " ".join(lines[-1].split()[:2]) if lines else "nothing yet"
    if process.returncode == 0:
        return reached, "had ended"
    ended = subprocess.run([*command, "--resume"], cwd=place, capture_output=True, check=False)
    notes = [
        line for line in ended.stderr.decode().splitlines() if "goes on" in line or "begins" in line
    ]
    if ended.returncode:
        return reached, " ".join(ended.stderr.decode().splitlines()[-2:])
    return reached, notes[0].rpartition(": ")[2] if notes else "no note"


def read(place: Path, name: str) -> bytes:
    """Return a file of the run, or nothing where there is none."""
    path = place / "run" / name
    return path.read_bytes() if path.exists() else b""


if __name__ == "__main__":
    main()
