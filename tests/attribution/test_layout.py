"""Layers of transformers: tokens and channels last, read as the maps that they hold."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wsol.attribution import attribute
from wsol.attribution.layout import layout_of, token_grid
from wsol.errors import ParameterError

SIZE = 32
METHODS = ("gradcam", "gradcam_pp", "smooth_gradcam_pp", "xgradcam", "layercam", "scorecam", "sscam", "iscam")
TARGETS = torch.tensor([[2, 0], [1, 3]])


def transformer() -> Any:
    """A ViT with a class token, whose head reads that alone."""
    from torchvision.models import VisionTransformer

    torch.manual_seed(0)
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
    model = VisionTransformer(image_size=SIZE, patch_size=8, num_classes=4, **sizes).eval()
    nn.init.normal_(model.heads.head.weight)  # zero at first
    return model


def shifted_windows() -> Any:
    """A Swin transformer: (B, h, w, C) from layer to layer, global average pooling, a linear head."""
    from torchvision.models import SwinTransformer

    torch.manual_seed(0)
    return SwinTransformer([4, 4], 12, [1, 1], [1, 2], [4, 4], num_classes=4, stochastic_depth_prob=0).eval()


def some_images() -> Tensor:
    return torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(5))


class Shown(nn.Module):
    """A layer, and behind it a module through which the layer's maps pass as (B, C, h, w)."""

    def __init__(self, layer: nn.Module, tokens: bool) -> None:
        super().__init__()
        self.layer, self.maps, self.tokens = layer, nn.Identity(), tokens

    def forward(self, values: Tensor) -> Tensor:
        output = self.layer(values)
        if not self.tokens:
            return self.maps(output.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        rows = [output[:, 1 + 4 * row : 5 + 4 * row] for row in range(4)]
        maps = self.maps(torch.stack(rows, 1).permute(0, 3, 1, 2))
        return torch.cat([output[:, :1], maps.permute(0, 2, 3, 1).flatten(1, 2)], 1)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("tokens", [True, False], ids=["tokens", "channels-last"])
def test_maps_are_those_of_a_network_that_shows_them_as_convolutions_do(tokens: bool, name: str) -> None:
    model, images = transformer() if tokens else shifted_windows(), some_images()
    layer = "encoder.layers.encoder_layer_1.ln_1" if tokens else "features.1"
    options = {"samples": 2} if name in ("smooth_gradcam_pp", "sscam") else {}
    found = attribute(model, images, TARGETS, name, layer=layer, **options)
    parent, _, own = layer.rpartition(".")
    setattr(model.get_submodule(parent), own, Shown(model.get_submodule(layer), tokens))
    expected = attribute(model, images, TARGETS, name, layer=f"{layer}.maps", **options)
    assert found.shape == (2, 2, *((4, 4) if tokens else (8, 8))) and found.any()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6 * float(expected.max()))


def test_gradients_and_tokens_by_hand() -> None:
    model, images = transformer(), some_images()
    kept: list[Tensor] = []
    handle = model.encoder.layers[1].ln_1.register_forward_hook(lambda m, i, output: kept.append(output))
    scores = model(images)
    handle.remove()
    (gradient,) = torch.autograd.grad(scores[:, 3].sum(), kept[0])
    expected = torch.zeros(2, 4, 4)
    for row in range(4):
        for column in range(4):
            token = kept[0][:, 1 + 4 * row + column].detach()
            expected[:, row, column] = (gradient[:, 1:].mean(1) * token).sum(1)
    found = attribute(model, images, [3, 3], "gradcam", layer=model.encoder.layers[1].ln_1)
    torch.testing.assert_close(found, expected.relu(), rtol=1e-4, atol=1e-7)


def test_the_pooled_maps_of_a_swin_transformer_are_found() -> None:
    model, images = shifted_windows(), some_images()
    cam = attribute(model, images, None, "cam")
    assert cam.shape == (2, 4, 4, 4)
    torch.testing.assert_close(attribute(model, images, None, "gradcam"), cam.relu() / 16)


def test_a_layer_behind_the_last_attention_is_refused_where_the_class_token_is_read() -> None:
    model, images = transformer(), some_images()
    for name in ("gradcam", "smooth_gradcam_pp"):
        with pytest.raises(ParameterError, match=r"'encoder\.ln' that belong to no place, such as a class token"):
            attribute(model, images, [0, 1], name, layer="encoder.ln")
    with pytest.raises(ParameterError, match=r"such as encoder\.layers\.encoder_layer_1\.ln_1, ") as found:
        attribute(model, images, [0, 1], "gradcam")
    assert "encoder_layer_1.mlp" not in str(found.value)


@pytest.mark.parametrize(
    ("tokens", "size", "grid"),
    [
        (196, (224, 224), (14, 14)),
        (197, (224, 224), (14, 14)),  # class token
        (198, (224, 224), (14, 14)),  # and one of distillation
        (201, (224, 224), (14, 14)),  # class token and four registers
        (1 + 14 * 28, (224, 448), (14, 28)),
        (1 + 28 * 14, (448, 224), (28, 14)),
        (20, (64, 64), (4, 4)),  # four registers, not 4 × 5
        (12 * 13, (180, 190), (12, 13)),  # edges cut off
        (1, (32, 32), (1, 1)),
        (13, (224, 224), (3, 3)),
        (256 + 9, (224, 224), None),
        (197, (32, 320), None),
    ],
)
def test_the_grid_of_tokens(tokens: int, size: tuple[int, int], grid: tuple[int, int] | None) -> None:
    assert token_grid(tokens, size) == grid


@pytest.mark.parametrize(
    ("shape", "maps"),
    [
        ((2, 64, 7, 7), (2, 64, 7, 7)),
        ((2, 7, 7, 64), (2, 64, 7, 7)),
        ((2, 8, 8, 8), (2, 8, 8, 8)),
        ((2, 64, 7, 8), (2, 64, 7, 8)),  # of padding
        ((2, 64, 3, 9), (2, 64, 3, 9)),  # neither has the image's proportions
        ((2, 512, 1, 1), (2, 512, 1, 1)),
        ((2, 50, 16), (2, 16, 7, 7)),
    ],
)
def test_a_layout_is_known_by_its_shape_and_undone(shape: tuple[int, ...], maps: tuple[int, ...]) -> None:
    output = torch.randn(shape)
    layout = layout_of(output, (224, 224))
    assert layout is not None
    found = layout.maps(output)
    assert found.shape == maps
    assert torch.equal(layout.output(found, output), output)
    if output.ndim == 3:
        assert torch.equal(found[:, :, 2, 3], output[:, 1 + 2 * 7 + 3])


def test_what_holds_no_maps_is_refused() -> None:
    model, images = transformer(), some_images()
    with pytest.raises(
        ParameterError, match=r"'heads' gives shape \(2, 4\), not maps .* tokens .* proportions \(32 × 32\)"
    ):
        attribute(model, images, [0, 1], "gradcam", layer="heads")
    assert layout_of((torch.zeros(2, 3, 4, 4),), (32, 32)) is None
    assert layout_of(torch.zeros(2, 50, 16), None) is None
