"""Learning-rate schedules as pure functions of the position in training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def rate_factor(settings: Mapping[str, Any], epoch: int, step: int, steps_per_epoch: int) -> float:
    """What the base learning rate is multiplied with at a step.

    epoch: 1-indexed; step: 0-indexed within the epoch. `settings` holds schedule, epochs, warmup_epochs,
    decay_every_epochs and decay_factor.

    `step` drops by decay_factor when the 1-indexed epoch reaches a multiple of decay_every_epochs, before that epoch
    is trained: so the first drop comes one epoch earlier than a scheduler that counts finished epochs
    (the released WSOL evaluation code; wsol-protocol quirk "LR drop one epoch early"). `cosine` falls to zero over
    all steps. A warm-up of `warmup_epochs` rises linearly from one step's share in both.
    """
    done = epoch - 1 + step / steps_per_epoch
    warmup = float(settings["warmup_epochs"])
    rise = min(1.0, (done + 1 / steps_per_epoch) / warmup) if warmup > 0 else 1.0
    if settings["schedule"] == "step":
        return rise * float(settings["decay_factor"]) ** (epoch // int(settings["decay_every_epochs"]))
    progress = max(0.0, done - warmup) / max(1e-12, float(settings["epochs"]) - warmup)
    return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
