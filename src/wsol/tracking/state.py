"""How far each journal has been imported, in one small file beside them.

Losing it costs time only: runs are found again by their tag `wsol.journal`, and importing an event twice is harmless.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from wsol.files import write_json

RUNNING = "RUNNING"


@dataclass
class Entry:
    """One journal's MLflow run, the bytes already imported, and the status that the store has for it."""

    run: str
    experiment: str
    repro_key: str
    offset: int = 0
    status: str = RUNNING
    last_event: int = 0  # ms since the epoch


@dataclass
class State:
    path: Path
    store: str
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path, store: str) -> State:
        """The state for one tracking URI; empty where there is none, where it is broken or of another store."""
        path = folder / "sync.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["store"] == store:
                return cls(path, store, {name: Entry(**values) for name, values in content["journals"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        return cls(path, store)

    def save(self) -> None:
        write_json(self.path, {"store": self.store, "journals": {name: asdict(e) for name, e in self.entries.items()}})
