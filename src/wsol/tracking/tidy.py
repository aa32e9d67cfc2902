"""Close runs whose job is gone though no lock says so, and delete journals that are no longer needed."""

from __future__ import annotations

import time
from pathlib import Path

from wsol.tracking.places import journal_folder
from wsol.tracking.reader import Journal, journals
from wsol.tracking.state import RUNNING
from wsol.tracking.sync import load_state, sync, sync_lock


def tidy(folder: Path, uri: str, *, silence: float, prune: bool) -> tuple[int, int]:
    """Sync, then close runs that are silent for `silence` seconds; returns how many closed, how many journals deleted.

    A run whose journal is locked by a living job is never closed. With `prune`, journals go that have ended and are
    wholly imported, and empty ones that are as old: the MLflow store is then the only record of them.
    """
    outcome = sync(folder, uri)
    closed, pruned = outcome.killed, 0
    with sync_lock(folder, 60.0):
        state = load_state(folder, uri)
        if not state.path.parent.is_dir():
            return closed, pruned
        from wsol.tracking.mlflow_store import Store

        store = Store(folder, uri)
        horizon_ms = int((time.time() - silence) * 1000)
        for layer in store.layers():
            for run, journal_id, started in store.running(layer):
                entry = state.entries.get(journal_id)
                last = max(started, entry.last_event) if entry else started
                if last <= horizon_ms and not Journal(state.path.parent / f"{journal_id}.jsonl").alive():
                    store.close(run, "KILLED", last)
                    closed += 1
                    if entry:
                        entry.status = "KILLED"
        for journal in journals(journal_folder(folder)) if prune else []:
            entry = state.entries.get(journal.id)
            ended = entry is not None and entry.status != RUNNING and journal.size == entry.offset
            if ended or (journal.size == 0 and journal.path.stat().st_mtime * 1000 <= horizon_ms):
                journal.path.unlink()
                state.entries.pop(journal.id, None)
                pruned += 1
        state.save()
    return closed, pruned
