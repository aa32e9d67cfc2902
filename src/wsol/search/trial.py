"""What is known of a draw when it has ended. Apart from the choice: an edit there must not train any draw again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

Value = float | int | str | bool
CELL = ("scale", "dataset", "backbone", "method")
"""What a search is of."""
FINISHED, STOPPED, FAILED = "finished", "stopped", "failed"


@dataclass(frozen=True)
class Trial:
    """The outcome of a draw.

    `localisation` and `accuracy` are per cent on train-fullsup, of the `epoch` whose weights a training of this method
    would keep; None where the draw has none. `status` is finished, stopped (early, as the user asked) or failed, with
    the reason.
    """

    draw: int
    status: str
    values: dict[str, Value]
    epoch: int | None
    localisation: float | None
    accuracy: float | None
    reason: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def draw_name(draw: int) -> str:
    """d00, d01 … d99, d100."""
    return f"d{draw:02d}"
