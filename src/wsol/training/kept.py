"""Which epoch's weights become the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def kept_epoch(history: Sequence[Mapping[str, float]], checkpoint: str) -> int:
    """The last, or for `best` the earliest of those that localise best, the untrained network (epoch 0) included.

    history: rows with `epoch` and `val_localisation`, in their order, not empty.
    """
    if checkpoint == "last":
        return int(history[-1]["epoch"])
    return int(max(history, key=lambda row: row["val_localisation"])["epoch"])
