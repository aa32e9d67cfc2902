"""CALM_EM: expectation-maximisation, with the posterior of the batch by the network's present weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsol.methods.calm_base import CalmMethod

if TYPE_CHECKING:
    import torch


class Method(CalmMethod):
    """-Σ_z p'(z|x,y) log p(y,z|x), no gradient to p' (supplement section B, equation i).

    Its gradient is CALM_ML's, because p' is of the same weights: see `wsol.losses.calm`.
    """

    name = "calm_em"

    def objective(self, f: torch.Tensor, h: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        from wsol.losses.calm import expectation_maximisation

        return expectation_maximisation(f, h, labels, self.options["normaliser"])
