"""CALM_ML: maximum likelihood, the location summed out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsol.methods.calm_base import CalmMethod

if TYPE_CHECKING:
    import torch


class Method(CalmMethod):
    """-log Σ_z p(y,z|x)."""

    name = "calm_ml"

    def objective(self, f: torch.Tensor, h: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        from wsol.losses.calm import maximum_likelihood

        return maximum_likelihood(f, h, labels, self.options["normaliser"])
