"""What commands are given, read and checked before torch, which takes seconds to load."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from imbalance_cli.errors import ConfigError
from imbalance_cli.readers.dialect import Dialect

if TYPE_CHECKING:
    from collections.abc import Sequence

    import typer

    from imbalance_cli.config import Config, DataSection

QUICK = frozenset({".csv", ".tsv", ".parquet"})
"""The suffixes of tables whose columns are known without reading them whole."""


def read_config(
    given: str,
    labels: Sequence[str] | None,
    overrides: Sequence[str] | None,
    *,
    for_any_loss: bool = False,
) -> Config:
    """Return the config that a command is given: a YAML file, or a table with default settings.

    Args:
        given: a YAML file, - for stdin, or a table.
        labels: of --labels, which a table has.
        overrides: of --set.
        for_any_loss: as of `load_config`.

    Raises:
        ConfigError: as of `load_config`, or a YAML file is given labels beside its own.
    """
    from imbalance_cli.readers.formats import list_suffixes, table_suffix
    from imbalance_cli.readers.urls import is_url, name_url
    from imbalance_cli.yaml_text import refuse_no_file

    given = name_url(given)
    suffix = table_suffix(given)
    if is_url(given) and suffix in {".yaml", ".yml"}:
        raise ConfigError(
            f"{given}: a config is a file here, or stdin", hint=f"curl {given} | imbtrain fit -"
        )
    if labels and suffix in {".yaml", ".yml"}:
        raise ConfigError(
            f"--labels and {given} contradict each other: it names its labels itself",
            hint=f"--set data.labels='[{', '.join(labels)}]'",
        )
    document: str | dict[str, Any] = given
    if labels or suffix in list_suffixes() or is_url(given):
        document = {"data": {"train": given, "labels": list(labels or ())}}
    elif given != "-":
        refuse_no_file(given)  # before pydantic is loaded
    from imbalance_cli.config import load_config

    return load_config(document, overrides or (), for_any_loss=for_any_loss)


def write_command(context: typer.Context) -> str:
    """Return the command line as it was typed, but for passwords and signatures in addresses."""
    from imbalance_cli.readers.urls import hide_credentials, is_url, show_url

    shown = [show_url(word) if is_url(word) else hide_credentials(word) for word in context.obj]
    return shlex.join(["imbtrain", *shown])


def refuse_early(run: Path, source: str | None) -> None:
    """Raise where a run or a file is not there, before torch, which takes seconds to load.

    Raises:
        ImbtrainError: as of what reads them.
    """
    from imbalance_cli.readers import open_source
    from imbalance_cli.readers.partitions import is_glob
    from imbalance_cli.run.directory import read_document

    read_document(run)
    if source not in {None, "-"} and not is_glob(source) and not Path(source).exists():
        open_source(source)  # whose error names what is near; a URL is fetched


def refuse_features(run: Path, source: str, input_format: str | None, dialect: Dialect) -> None:
    """Raise where a table lacks feature columns of a run, before torch.

    Only of a file whose columns stand at its start or end, as of `choose_directory`.

    Raises:
        ImbtrainError: as of what reads them.
    """
    from imbalance_cli.readers import open_source
    from imbalance_cli.readers.formats import table_suffix
    from imbalance_cli.run.columns import list_features, require_features
    from imbalance_cli.run.directory import read_document, read_settings

    if table_suffix(source) not in QUICK or not Path(source).is_file():
        return
    document = read_document(run)
    data = read_settings(run, document)["data"]
    usual = Dialect(**{field.name: data[field.name] for field in dataclasses.fields(Dialect)})
    opened = open_source(source, input_format, dialect, usual=usual)
    features = list_features(run, document)
    if opened.doubt and not set(features) <= set(opened.columns):
        raise opened.doubt
    require_features(features, opened.columns, opened.name)


def read_thresholds(given: Sequence[str], cost: str | None) -> dict[str, float]:
    """Return thresholds by name or glob of labels, later ones over earlier ones.

    Args:
        given: of --threshold.
        cost: of --cost: a false positive's and a false negative's.

    Raises:
        ConfigError: they are not of that form, or no probabilities.
    """
    from imbalance_cli.decisions.costs import least_cost_threshold

    thresholds: dict[str, float] = {}
    if cost is not None:
        try:
            false_positive, false_negative = map(float, cost.split(":"))
            thresholds["*"] = least_cost_threshold(false_positive, false_negative)
        except (ValueError, ZeroDivisionError):
            false_positive = -1.0
        if not (false_positive > 0 and false_negative > 0 and 0 < thresholds["*"] < 1):
            raise ConfigError(f"--cost {cost}: not two costs above 0", hint="--cost 1:20")
    for text in given:
        name, equals, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1 or (equals and not name):
            raise ConfigError(
                f"--threshold {text!r}: a probability from 0 to 1 is needed",
                hint="--threshold y=0.2, or --threshold 0.2 for all labels",
            )
        if cost is not None and not name:
            raise ConfigError(
                f"--cost {cost} and --threshold {text} contradict each other",
                hint="--threshold y=0.2 beside --cost is for one label",
            )
        thresholds[name or "*"] = value
    return thresholds


def choose_directory(
    config: Config,
    run_dir: Path | None,
    kind: str = "",
    *,
    overwrite: bool,
    resume: bool,
    finish: bool,
) -> tuple[Path, Literal["no", "train", "finish"]]:
    """Return where a run goes, and whether an unfinished one there is gone on with.

    What can be wrong with its place and with the columns is found here, without torch, which takes
    seconds to load.

    Args:
        config: names the sources, and the run if it has a name.
        run_dir: of --run-dir.
        kind: as of `default_directory`; a finished search is gone on with as well.
        overwrite: of --overwrite.
        resume: of --resume.
        finish: of --finish.

    Raises:
        ImbtrainError: both are given, the run is not known, or its place or a source cannot be
            used.
    """
    from imbalance_cli.run.directory import RunDirectory, default_directory

    if resume and finish:
        raise ConfigError(
            "--resume and --finish contradict each other",
            hint="--resume trains on, --finish takes the best epochs so far",
        )
    if (resume or finish) and run_dir is None and config.output.name is None:
        raise ConfigError(
            f"--{'resume' if resume else 'finish'}: which run is not known",
            hint="--run-dir, or output.name in the config",
        )
    directory = run_dir or default_directory(config, kind)
    RunDirectory(directory, overwrite=overwrite, resume=resume or finish, kind=kind)
    _refuse_columns(config.data)
    return directory, "train" if resume else "finish" if finish else "no"


def _refuse_columns(data: DataSection) -> None:
    """Raise where files or columns are not there, before torch, which takes seconds to load.

    Only of tables whose columns stand at their start or end; others are read whole for them.

    Raises:
        ImbtrainError: as of what reads them.
    """
    from imbalance_cli.readers.formats import table_suffix
    from imbalance_cli.rows.roles import assign_roles
    from imbalance_cli.rows.sources import open_parts

    names = [name for names in (data.train, data.valid, data.test) for name in names or ()]
    is_usual = all(table_suffix(name) in QUICK for name in names)
    if is_usual and all(Path(name).is_file() or not Path(name).exists() for name in names):
        assign_roles(data, open_parts(data)["train"][0])
