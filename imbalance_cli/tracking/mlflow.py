"""A fit as a run of MLflow; a comparison as a run, with one below it for each candidate."""

from __future__ import annotations

import contextlib
import getpass
import importlib.util
import logging
import os
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path
from time import monotonic, time
from typing import TYPE_CHECKING

from imbalance_cli import __version__
from imbalance_cli.errors import DependencyError, ExportError, OutputError, shorten
from imbalance_cli.run.directory import (
    COMPARISON_JSON,
    CONFIG,
    METRICS_JSON,
    ONNX,
    REPORT,
)
from imbalance_cli.tracking import series
from imbalance_cli.tracking.guarded import explain_tracker, hide_passwords

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Metric

    from imbalance_cli.network.epochs import EpochResult
    from imbalance_cli.workflows import Finish, Start

SECONDS_BETWEEN_BATCHES = 1.0  # a request takes longer than an epoch of a small table
LONGEST_VALUE = 500  # of a parameter; what every MLflow server takes
LARGEST_BATCH, MOST_PARAMS = 1000, 100  # of metrics and of parameters in one request
ARTIFACTS = (CONFIG, METRICS_JSON, COMPARISON_JSON, REPORT)
OF_ONNX = ("onnx", "onnxruntime")
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # it sends what is called to its makers
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # where results go
    "MLFLOW_CONFIGURE_LOGGING": "false",  # it writes to stderr in a form of its own
}
PATIENCE = {  # its own defaults hold up training for minutes when a server is away
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


class MlflowTracker:
    """Writes to a tracking server or a database, about once a second.

    Args:
        uri: as MLFLOW_TRACKING_URI: http://..., sqlite:///mlflow.db.
        experiment: its name; made when training starts, where there is none.

    Raises:
        DependencyError: MLflow is not installed.
        OutputError: the address cannot be used, or the experiment was deleted.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        self.name = f"--mlflow {hide_passwords(uri)}"
        if not uri.strip():
            raise OutputError("--mlflow: the address is empty", hint="--mlflow sqlite:///mlflow.db")
        os.environ.update(ENVIRONMENT)
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        with _calm():
            try:
                from mlflow import MlflowClient, entities
            except ImportError as error:
                raise DependencyError("--mlflow", "mlflow") from error
            with explain_tracker(self.name, hint="--mlflow sqlite:///mlflow.db, or a server's URL"):
                self._client = MlflowClient(tracking_uri=uri)
                found = self._client.get_experiment_by_name(experiment)
        if found is not None and found.lifecycle_stage != "active":
            raise OutputError(
                f"{self.name}: the experiment {experiment!r} was deleted",
                hint="another --mlflow-experiment, or mlflow experiments restore",
            )
        self._experiment = experiment
        self._experiment_id: str | None = None if found is None else found.experiment_id
        self._entities = entities
        self._groups: list[tuple[str, series.Group]] = []
        self._waiting: dict[str, list[Metric]] = {}
        self._sent_at = monotonic()
        self._monitor = ""

    def started(self, start: Start) -> None:
        """Begin a run, and one for each candidate, with their parameters."""
        self._monitor = start.recipe.monitor
        with _calm():
            place = self._experiment_id or self._client.create_experiment(self._experiment)
            for group in series.group_members(start):
                self._begin(start, group, place)

    def epoch(self, result: EpochResult) -> None:
        """Note the numbers of an epoch, and send what has been waiting for a second."""
        for run, group in self._groups:
            self._note(run, series.epoch_means(group, result, self._monitor), result.epoch)
            for name, scalars in series.epoch_members(group, result, self._monitor).items():
                own = {f"{name}/{key}": value for key, value in scalars.items()}
                self._note(run, own, result.epoch)
        if monotonic() - self._sent_at >= SECONDS_BETWEEN_BATCHES:
            self._send()

    def finished(self, finish: Finish) -> None:
        """Send the held-out scores and the files that a reader opens."""
        for run, group in self._groups:
            self._note(run, series.held_out_scores(group, finish), 0)
        self._send()
        paths = [finish.directory / name for name in ARTIFACTS]
        with _calm():
            for path in paths:
                if path.exists():
                    self._client.log_artifact(self._groups[0][0], str(path))
            is_model = not (finish.directory / COMPARISON_JSON).exists()
            if is_model and all(map(importlib.util.find_spec, OF_ONNX)):
                self._log_model(finish.directory)

    def close(self, error: BaseException | None) -> None:
        """Mark the runs FINISHED, KILLED by an interrupt, or FAILED."""
        status = "FINISHED" if error is None else "FAILED"
        if isinstance(error, KeyboardInterrupt):
            status = "KILLED"
        self._send()
        with _calm():
            for run, _ in reversed(self._groups):
                self._client.set_terminated(run, status)

    def _log_model(self, directory: Path) -> None:
        """Keep the run as an ONNX model, or in a tag why there is none."""
        import mlflow.onnx
        import onnx
        from mlflow.models import infer_signature

        from imbalance_cli import workflows

        run = self._groups[0][0]
        with tempfile.TemporaryDirectory() as folder:
            file, place = Path(folder, ONNX), Path(folder, "model")
            try:
                exported = workflows.export(directory, file, "float32")
            except ExportError as error:
                self._client.set_tag(run, "imbtrain.no_model", error.message)
                return
            mlflow.onnx.save_model(
                onnx.load(file),
                place,
                signature=infer_signature(exported.example, exported.answer),
                input_example=exported.example,
                pip_requirements=[f"{package}=={version(package)}" for package in OF_ONNX],
                onnx_execution_providers=["CPUExecutionProvider"],
                save_as_external_data=False,
            )
            self._client.log_artifacts(run, str(place), "model")

    def _begin(self, start: Start, group: series.Group, experiment_id: str) -> None:
        tags = {
            "mlflow.source.name": f"imbtrain {start.command}",
            "mlflow.source.type": "LOCAL",
            "imbtrain.version": __version__,
            "imbtrain.run": str(start.directory.resolve()),
        }
        with contextlib.suppress(KeyError, OSError):  # a user without a name
            tags["mlflow.user"] = getpass.getuser()
        if self._groups:
            tags["mlflow.parentRunId"] = self._groups[0][0]
        name = group.candidate or start.directory.resolve().name
        begun = self._client.create_run(experiment_id, run_name=name, tags=tags)
        run = begun.info.run_id
        self._groups.append((run, group))
        params = [
            self._entities.Param(key, shorten(value, LONGEST_VALUE))
            for key, value in series.flatten_config(group.config).items()
        ]
        for first in range(0, len(params), MOST_PARAMS):
            self._client.log_batch(run, params=params[first : first + MOST_PARAMS])

    def _note(self, run: str, scalars: series.Scalars, step: int) -> None:
        now = int(time() * 1000)
        waiting = self._waiting.setdefault(run, [])
        waiting += [self._entities.Metric(key, value, now, step) for key, value in scalars.items()]

    def _send(self) -> None:
        with _calm():
            for run, metrics in self._waiting.items():
                for first in range(0, len(metrics), LARGEST_BATCH):
                    self._client.log_batch(run, metrics=metrics[first : first + LARGEST_BATCH])
        self._waiting.clear()
        self._sent_at = monotonic()


@contextlib.contextmanager
def _calm() -> Iterator[None]:
    """Silence what MLflow and its database log and warn of; what they raise is raised."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
