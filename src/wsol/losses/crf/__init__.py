"""The dense CRF loss of F-CAM (Belharbi et al., WACV 2022; Tang et al., ECCV 2018): pixels alike want one label.

    loss = -(1/B) Σ_images Σ_k S_k' W S_k        W_ij = exp(-½ (|Δrgb|² / σ_rgb² + |Δxy|² / σ_xy²))

over all pairs of pixels of an image, a pixel with itself included (W_ii = 1). Where Σ_k S_k = 1 this is the
relaxed cut Σ_k S_k' W (1 - S_k) less the constant 1' W 1. The gradient is -2 W S / B; W S is saved from the forward
pass. Two kernels: `exact` is the formula, `lattice` the approximation that the released code trains with.
"""

from __future__ import annotations

from wsol.losses.crf.loss import KERNELS, crf_loss

__all__ = ["KERNELS", "crf_loss"]
