"""The MLflow store, as far as this project uses it. The one module that imports mlflow."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsol.files import sha256_file
from wsol.tracking import glossary
from wsol.tracking.names import TAG_LIMIT, key, keys, text
from wsol.tracking.places import artifact_folder, local_uri

# mlflow reads these when it is imported: no network, no chatter.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_CONFIGURE_LOGGING": "true",
}

COPY_LIMIT = 5 * 2**20
"""Bytes above which an artifact is not copied into the store: DVC keeps big files."""

_BATCH_METRICS = 800  # with the pairs, the 1000 entities that one call may carry
_BATCH_PAIRS = 100


@dataclass(frozen=True)
class Point:
    key: str
    value: float
    time: int
    step: int


class Store:
    """Experiments and runs of one tracking URI. A new SQLite store is created on first use: hold the sync lock."""

    def __init__(self, folder: Path, uri: str) -> None:
        os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
        import logging

        from mlflow import MlflowClient

        logging.getLogger("alembic").setLevel(logging.WARNING)
        self._folder = folder
        self._local = uri == local_uri(folder)
        self._client = MlflowClient(tracking_uri=uri)
        self._experiments: dict[str, str] = {}

    def experiment(self, layer: str) -> str:
        """The id of `wsol/<layer>`, made or restored if need be."""
        if layer not in self._experiments:
            self._experiments[layer] = self._find_or_create(layer)
        return self._experiments[layer]

    def find(self, experiment: str, journal: str) -> str | None:
        """The run that was made from a journal, also one that somebody deleted in the UI; None if there is none."""
        from mlflow.entities import ViewType

        found = self._client.search_runs([experiment], f"tags.`wsol.journal` = '{journal}'", ViewType.ALL, 1)
        return found[0].info.run_id if found else None

    def metric_names(self, run: str) -> set[str] | None:
        """Names of the metrics that a run has; None for a run that somebody deleted in the UI, which takes no more."""
        found = self._client.get_run(run)
        return None if found.info.lifecycle_stage == "deleted" else set(found.data.metrics)

    def create(self, experiment: str, name: str, started: int, tags: Mapping[str, Any]) -> str:
        """A new run with its tags, in one transaction: a crash leaves either the whole of it or nothing."""
        short = {name: text(value, TAG_LIMIT) for name, value in keys(tags).items()}
        return self._client.create_run(experiment, start_time=started, tags=short, run_name=name).info.run_id

    def log(
        self,
        run: str,
        points: Sequence[Point] = (),
        parameters: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        """Add points, parameters and tags. Logging the same again changes nothing."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(key(point.key), point.value, point.time, point.step) for point in points]
        params = [Param(name, text(value)) for name, value in keys(parameters or {}).items()]
        run_tags = [RunTag(name, text(value, TAG_LIMIT)) for name, value in keys(tags or {}).items()]
        while metrics or params or run_tags:
            self._client.log_batch(run, metrics[:_BATCH_METRICS], params[:_BATCH_PAIRS], run_tags[:_BATCH_PAIRS])
            metrics, params, run_tags = metrics[_BATCH_METRICS:], params[_BATCH_PAIRS:], run_tags[_BATCH_PAIRS:]

    def close(self, run: str, status: str, ended: int) -> None:
        self._client.set_terminated(run, status, ended)

    def reopen(self, run: str) -> None:
        self._client.update_run(run, status="RUNNING")

    def artifact(self, run: str, file: Path, name: str, sha256: str, size: int) -> None:
        """Copy a small file that still is what the job named; otherwise a tag says which file it was."""
        name = key(name)
        if size > COPY_LIMIT:
            reason = "too big to copy"
        elif not file.is_file() or sha256_file(file) != sha256:
            reason = "gone or changed since"
        else:
            self._copy(run, file, name)
            return
        self.log(run, tags={f"artifact.{name}": f"{file} sha256 {sha256} ({reason})"})

    def supersede(self, experiment: str, repro_key: str) -> list[tuple[str, str]]:
        """Mark all runs of a job but the newest; returns (run, journal) of the marked ones that are still RUNNING."""
        runs = list(self._search(experiment, f"tags.`repro.key` = '{_quoted(repro_key)}'"))
        runs.sort(key=lambda run: (run.info.start_time, run.data.tags.get("wsol.journal", "")))
        for run in runs:
            wanted = str(run is not runs[-1]).lower()
            if run.data.tags.get("superseded") != wanted:
                self._client.set_tag(run.info.run_id, "superseded", wanted)
        return [
            (run.info.run_id, run.data.tags.get("wsol.journal", ""))
            for run in runs[:-1]
            if run.info.status == "RUNNING"
        ]

    def running(self, layer: str) -> list[tuple[str, str, int]]:
        """(run, journal, start time in ms) of the layer's runs that the store believes to be running."""
        found = self._search(self.experiment(layer), "attributes.status = 'RUNNING'")
        return [(run.info.run_id, run.data.tags.get("wsol.journal", ""), run.info.start_time) for run in found]

    def layers(self) -> list[str]:
        """Layers that have an experiment."""
        found = self._client.search_experiments(filter_string="name LIKE 'wsol/%'")
        return sorted(experiment.name.removeprefix("wsol/") for experiment in found)

    def describe(self, layer: str, metric_names: Iterable[str]) -> None:
        """Keep the experiment's note, saved view and primary metric in step with the metrics that it has."""
        experiment = self.experiment(layer)
        tags = self._client.get_experiment(experiment).tags
        names = sorted(set(metric_names) | set(filter(None, tags.get("wsol.metrics", "").split("\n"))))
        wanted = {
            "mlflow.note.content": glossary.experiment_note(layer, glossary.view_address(experiment)),
            "mlflow.experimentKind": "custom_model_development",
            f"mlflow.sharedViewState.{glossary.VIEW}": glossary.saved_view(names),
            "wsol.metrics": "\n".join(names)[:TAG_LIMIT],
        }
        primary = glossary.primary_metric(names)
        if primary:
            wanted["mlflow.experiment.primaryMetric.name"] = primary
            wanted["mlflow.experiment.primaryMetric.greaterIsBetter"] = str("loss" not in primary).lower()
        for name, value in wanted.items():
            if tags.get(name) != value:
                self._client.set_experiment_tag(experiment, name, value)

    def _find_or_create(self, layer: str) -> str:
        name = f"wsol/{layer}"
        known = self._client.get_experiment_by_name(name)
        if known is not None:
            if known.lifecycle_stage == "deleted":
                self._client.restore_experiment(known.experiment_id)
            return known.experiment_id
        # A location that the server resolves, not an absolute path: the project folder may be moved.
        location = f"mlflow-artifacts:/{name}" if self._local else None
        return self._client.create_experiment(name, artifact_location=location)

    def _copy(self, run: str, file: Path, name: str) -> None:
        folder, _, base = name.rpartition("/")
        if not self._local:
            self._client.log_artifact(run, str(file), folder or None)
            return
        location = self._client.get_run(run).info.artifact_uri.removeprefix("mlflow-artifacts:/")
        target = artifact_folder(self._folder) / location / folder / base
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)

    def _search(self, experiment: str, query: str) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_runs([experiment], query, max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


def _quoted(value: str) -> str:
    return value.replace("'", "\\'")
