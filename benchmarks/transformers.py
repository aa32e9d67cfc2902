"""How far maps of transformers lie from those of pytorch-grad-cam, which is told how a layer's output holds them.

    python benchmarks/transformers.py

Wants pytorch-grad-cam, and timm for four of the six networks; says what is not installed. Random weights, two images,
raw maps at the layer's resolution, each brought to a maximum of 1, in float64. XGrad-CAM is shown and not judged:
behind a layer normalisation the sums that it divides by lie near zero, and pytorch-grad-cam adds 1e-7 to them. Ends
with 1 where another map is further off than 1e-5.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from attribution import PARITY, difference
from timing import verdict
from wsol.attribution import attribute

METHODS = {"gradcam": "GradCAM", "layercam": "LayerCAM", "xgradcam": "XGradCAM"}
NOT_JUDGED = ("xgradcam",)
CLASSES = 5
TARGETS = [0, 3]


class Network(NamedTuple):
    """A network, the layer to explain, the side of its images in px, and how the layer's output becomes maps."""

    name: str
    model: nn.Module
    layer: str
    side: int
    maps: Callable[[Tensor], Tensor]


def main() -> int:
    if importlib.util.find_spec("pytorch_grad_cam") is None:
        print("pytorch-grad-cam: not installed, so there is nothing to compare with")
        return 0
    torch.manual_seed(0)
    furthest = 0.0
    for network in networks():
        network.model.double().eval()
        images = torch.randn(len(TARGETS), 3, network.side, network.side, dtype=torch.float64)
        for method, theirs in METHODS.items():
            mine = attribute(network.model, images, TARGETS, method, layer=network.layer)
            apart = difference(mine, peer_maps(theirs, network, images).to(mine))
            print(f"{network.name:<32} {network.layer:<36} {method:<9} {apart:.1e} apart", flush=True)
            furthest = max(furthest, 0.0 if method in NOT_JUDGED else apart)
    met = verdict(furthest <= PARITY)
    print(f"furthest but for {', '.join(NOT_JUDGED)} {furthest:.1e}, target <= {PARITY:g}: {met}")
    return int(furthest > PARITY)


def networks() -> Iterator[Network]:
    from torchvision.models import SwinTransformer, VisionTransformer

    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 32, "mlp_dim": 64}
    vit = VisionTransformer(image_size=64, patch_size=8, num_classes=CLASSES, **sizes)
    nn.init.normal_(vit.heads.head.weight)  # zero at first
    yield Network("torchvision ViT", vit, "encoder.layers.encoder_layer_1.ln_1", 64, tokens_behind(1, 8))
    swin = SwinTransformer([4, 4], 16, [2, 2], [2, 4], [4, 4], num_classes=CLASSES)
    yield Network("torchvision Swin", swin, "features.3", 64, channels_first)
    if importlib.util.find_spec("timm") is None:
        print("timm: not installed, so its networks are left out")
        return
    import timm

    last = "blocks.11.norm1"
    for name, extra in {
        "vit_tiny_patch16_224": 1,
        "deit_tiny_distilled_patch16_224": 2,
        "vit_small_patch16_dinov3": 5,
    }.items():
        model = timm.create_model(name, pretrained=False, num_classes=CLASSES, img_size=64)
        yield Network(name, model, last, 64, tokens_behind(extra, 4))
    name = "swin_tiny_patch4_window7_224"
    model = timm.create_model(name, pretrained=False, num_classes=CLASSES)
    yield Network(name, model, "layers.3", 224, channels_first)


def tokens_behind(extra: int, side: int) -> Callable[[Tensor], Tensor]:
    """Of tokens (B, extra + side², C)."""
    return lambda output: output[:, extra:].reshape(len(output), side, side, -1).permute(0, 3, 1, 2)


def channels_first(output: Tensor) -> Tensor:
    return output.permute(0, 3, 1, 2)


def peer_maps(method: str, network: Network, images: Tensor) -> Tensor:
    """Raw maps (B, h, w) after ReLU, of pytorch-grad-cam."""
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    wanted = [ClassifierOutputTarget(one) for one in TARGETS]
    layer: Any = network.model.get_submodule(network.layer)
    with getattr(pytorch_grad_cam, method)(
        model=network.model, target_layers=[layer], reshape_transform=network.maps
    ) as extractor:
        extractor(input_tensor=images, targets=wanted)
        kept = extractor.activations_and_grads
        a, g = (values[0].detach().numpy() for values in (kept.activations, kept.gradients))
        return torch.from_numpy(extractor.get_cam_image(images, layer, wanted, a, g, False)).relu()


if __name__ == "__main__":
    sys.exit(main())
