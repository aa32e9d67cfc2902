"""Bring journals to the MLflow store: one process at a time, only what is new, the same however often."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsol.errors import WsolError
from wsol.tracking.names import TAG_LIMIT, flatten, key, repro_key, run_name, text
from wsol.tracking.places import database, journal_folder, local_uri
from wsol.tracking.reader import Journal, journals
from wsol.tracking.state import RUNNING, Entry, State

if TYPE_CHECKING:
    from wsol.tracking.mlflow_store import Store

_SAVE_EVERY = 50
_POLL = 0.1
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@dataclass
class Outcome:
    """What one sync did."""

    new: int = 0
    continued: int = 0
    events: int = 0
    killed: int = 0
    running: int = 0
    problems: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        parts = [f"{self.new} new runs", f"{self.continued} continued", f"{self.events} events"]
        parts += [f"{self.running} still running"] if self.running else []
        parts += [f"{self.killed} closed as killed"] if self.killed else []
        return ", ".join(parts)


class Busy(WsolError):
    """Another sync holds the lock."""


@contextmanager
def sync_lock(folder: Path, wait: float) -> Iterator[None]:
    """The one lock of a tracking folder; waits up to `wait` seconds. Raises `Busy`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".sync.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Busy(f"{path}: another sync is at work; it will import what is there, try again") from None
                time.sleep(_POLL)
        yield
    finally:
        os.close(descriptor)


def load_state(folder: Path, uri: str) -> State:
    """What has been imported into this store; nothing, where its SQLite file is gone."""
    if uri == local_uri(folder) and not database(folder).is_file():
        return State(journal_folder(folder) / "sync.json", uri)
    return State.load(journal_folder(folder), uri)


def pending(folder: Path, state: State) -> list[Journal]:
    """Journals with something to import, and those of jobs that died since. Needs no mlflow."""
    found = []
    for journal in journals(journal_folder(folder)):
        entry = state.entries.get(journal.id)
        if entry is None:
            if journal.start() is not None:
                found.append(journal)
        elif journal.size > entry.offset or (entry.status == RUNNING and journal.alive() is False):
            found.append(journal)
    return found


def sync(folder: Path, uri: str, *, full: bool = False, wait: float = 60.0) -> Outcome:
    """Import what is new. `full` looks at every journal again, for a store that lost runs.

    Raises `Busy` if another sync does not end within `wait` seconds. A journal that cannot be imported is named in
    the outcome's problems and tried again next time.
    """
    outcome = Outcome()
    if not any(journal_folder(folder).glob("*.jsonl")):
        return outcome
    with sync_lock(folder, wait):
        state = State(journal_folder(folder) / "sync.json", uri) if full else load_state(folder, uri)
        todo = pending(folder, state)
        if todo:
            from wsol.tracking.mlflow_store import Store

            _import_all(Store(folder, uri), state, todo, outcome)
    outcome.running = sum(entry.status == RUNNING for entry in state.entries.values())
    return outcome


def _import_all(store: Store, state: State, todo: list[Journal], outcome: Outcome) -> None:
    metric_names: dict[str, set[str]] = {}
    try:
        for number, journal in enumerate(todo, start=1):
            start = journal.start()
            if start is None:
                continue
            seen = metric_names.setdefault(str(start.get("layer", "")), set())
            try:
                seen.update(_Import(store, state, journal, start, outcome).run())
            except Exception as error:
                outcome.problems.append(f"{journal.path}: not imported ({error}); the next sync tries again")
            if number % _SAVE_EVERY == 0:
                state.save()
        for layer, names in metric_names.items():
            store.describe(layer, names)
    finally:
        state.save()


@dataclass
class _Import:
    """One journal on its way into the store."""

    store: Store
    state: State
    journal: Journal
    start: Mapping[str, Any]
    outcome: Outcome

    def run(self) -> set[str]:
        """Import what is new; returns the names of the run's metrics."""
        # Liveness first: a job that dies after this line is closed by the next sync, with all its events.
        alive = self.journal.alive()
        entry = self.state.entries.get(self.journal.id) or self._register()
        events, offset = self.journal.events(entry.offset)
        names = self.store.metric_names(entry.run)
        if names is not None:
            names |= self._log(entry, events, names)
            self._settle(entry, events, alive)
        entry.offset = offset
        return names or set()

    def _register(self) -> Entry:
        layer, cell, started = str(self.start.get("layer", "")), self.start.get("cell", {}), self.start["time"]
        experiment, repro = self.store.experiment(layer), repro_key(layer, cell)
        run = self.store.find(experiment, self.journal.id)
        if run is None:
            run = self.store.create(experiment, run_name(cell), started, _tags(self.start, self.journal.id))
            self.outcome.new += 1
        # Before the entry is in the state: if this is cut short, the next sync comes here again.
        self._close_replaced(experiment, repro)
        entry = self.state.entries[self.journal.id] = Entry(run, experiment, repro, last_event=started)
        return entry

    def _close_replaced(self, experiment: str, repro: str) -> None:
        """Mark the replaced runs of this job, and close one whose writer cannot be asked: it has a successor."""
        for run, journal_id in self.store.supersede(experiment, repro):
            entry = self.state.entries.get(journal_id)
            if entry is None or Journal(self.journal.path.with_stem(journal_id)).alive():
                continue
            self.store.close(run, "KILLED", entry.last_event)
            entry.status = "KILLED"
            self.outcome.killed += 1

    def _log(self, entry: Entry, events: list[dict[str, Any]], known: set[str]) -> set[str]:
        """Log the events and bring the run's note up to date; returns the names of the metrics among them."""
        from wsol.tracking.glossary import run_note
        from wsol.tracking.mlflow_store import Point

        points: list[Point] = []
        tags: dict[str, Any] = {}
        parameters: dict[str, Any] = {}
        for event in events:
            kind, moment = event["event"], event["time"]
            if kind == "start":
                parameters = _parameters(event)
            elif kind == "metrics":
                points += [Point(name, value, moment, event["step"]) for name, value in event["values"].items()]
            elif kind == "summary":
                points += [Point(name, value, moment, 0) for name, value in event["values"].items()]
            elif kind == "tag":
                tags.update(flatten({event["key"]: event["value"]}))
            elif kind == "artifact":
                file = Path(self.start.get("folder", "."), event["path"])
                self.store.artifact(entry.run, file, event["name"], event["sha256"], event["bytes"])
        names = {key(point.key) for point in points}
        if events:
            note = run_note(_with_flat_tags(self.start), known | names)
            tags["mlflow.note.content"] = text(note, TAG_LIMIT)
        self.store.log(entry.run, points, parameters, tags)
        self.outcome.events += len(events)
        self.outcome.continued += bool(events) and entry.offset > 0
        return names

    def _settle(self, entry: Entry, events: list[dict[str, Any]], alive: bool | None) -> None:
        """Bring the run's status up to date."""
        entry.last_event = max([entry.last_event, *(event["time"] for event in events)])
        status = next((event["status"] for event in events if event["event"] == "finish"), None)
        if status is None and entry.status == RUNNING and alive is False:
            status = "KILLED"
            self.outcome.killed += 1
        elif status is None and entry.status != RUNNING and events and alive is not False:
            self.store.reopen(entry.run)
            entry.status = RUNNING
        if status is not None:
            self.store.close(entry.run, status, entry.last_event)
            entry.status = status


def _parameters(start: Mapping[str, Any]) -> dict[str, Any]:
    """The cell, for charts over runs, and the parameters; a parameter named as a field of the cell gets a prefix."""
    cell = {name: value for name, value in start.get("cell", {}).items() if value not in (None, "")}
    flat = flatten(start.get("parameters", {}))
    return cell | {name if name not in cell else f"parameters.{name}": value for name, value in flat.items()}


def _tags(start: Mapping[str, Any], journal_id: str) -> dict[str, Any]:
    given = flatten(start.get("tags", {}))
    cell = {name: value for name, value in start.get("cell", {}).items() if value not in (None, "")}
    layer = str(start.get("layer", ""))
    own = {
        "layer": layer,
        "repro.key": repro_key(layer, start.get("cell", {})),
        "superseded": "false",
        "wsol.journal": journal_id,
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": f"wsol {layer}",
    }
    if _COMMIT.fullmatch(str(given.get("git.commit", ""))):
        own["mlflow.source.git.commit"] = given["git.commit"]
    return cell | {name if name not in own else f"job.{name}": value for name, value in given.items()} | own


def _with_flat_tags(start: Mapping[str, Any]) -> dict[str, Any]:
    return {**start, "tags": {name: text(value) for name, value in flatten(start.get("tags", {})).items()}}
