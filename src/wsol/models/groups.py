"""The two learning rates of the WSOL protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsol.errors import ParameterError

if TYPE_CHECKING:
    from torch import nn


def parameter_groups(model: nn.Module, backbone: str, lr: float, head_lr_ratio: float) -> list[dict[str, Any]]:
    """Optimiser groups `trunk` at rate `lr` and `head` at `lr * head_lr_ratio` (Choe et al., CVPR 2020: ratio 10).

    The head's group has every new layer, and for ResNet50 also layer4 of the trunk, as in the released recipe.
    Unlike there, membership goes by module and not by substring: a new head never trains at the trunk's rate.
    """
    built = getattr(model, "backbone", backbone)
    if built != backbone:
        raise ParameterError(f"backbone: parameter groups of {backbone!r} asked for a model built as {built!r}")
    fast = model.head_parameter_names()  # type: ignore[operator]
    parameters = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = [
        {"name": "trunk", "params": [parameter for name, parameter in parameters if name not in fast], "lr": lr},
        {
            "name": "head",
            "params": [parameter for name, parameter in parameters if name in fast],
            "lr": lr * head_lr_ratio,
        },
    ]
    return [group for group in groups if group["params"]]
