"""Everything that a killed training needs to go on bit for bit, in one file that is replaced whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wsol.files import atomic_path


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values; `state["fingerprint"]` names the inputs that they belong to."""
    import torch

    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def load_state(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """The saved state; None if there is none, it is unreadable, or it belongs to other inputs (then it is removed)."""
    import torch

    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a state that cannot be read is only lost time; training starts anew
        state = {}
    if not isinstance(state, dict) or state.get("fingerprint") != fingerprint:
        path.unlink()
        return None
    return state
