"""Figures D.3 and E.4 of F-CAM: what PxAP a map of low resolution could reach, and how that is simulated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wsol.metrics.resolution import low_maps, resolution_bounds, simulated_maps
from wsol.reports.figures.choose import evenly_over_classes
from wsol.reports.figures.curve_page import CurvePage, Line, Number, Panel, title_of_curves
from wsol.reports.figures.page import FigurePage, FigureRow, MapPanel, Picture
from wsol.scoring import GroundTruth

BLOCK = 64


def resolution_page(settings: Mapping[str, Any], manifest: Any) -> CurvePage:
    """The bound at each of `factors`, from the masks of the manifest's images at the scale's side."""
    size = settings["image_size"]
    factors = [factor for factor in settings["factors"] if factor <= size]
    bounds = resolution_bounds(_masks(manifest, size), factors)
    values = [100 * bounds[factor] for factor in factors]
    dataset = settings["datasets"][0]["dataset"]
    panel = Panel(
        f"{dataset}, images of {size} × {size} pixels",
        "downscale factor z",
        "PxAP of the mask itself, %",
        [Line(factors, values, "bound", 1)],
        y_limits=(0, 102),
        whole_x=True,
    )
    numbers = [
        Number(dataset, "none", "none", "mask", "PxAP", [value], at=str(factor))
        for factor, value in zip(factors, values, strict=True)
    ]
    caption = (
        "No network: the true mask is downscaled by z and upscaled again, both bilinearly with two taps an axis, and "
        "scored against itself, as a map whose low resolution is its only fault. Where z does not divide the side, the "
        "low side is rounded down. Bilinear downscaling samples: an odd z reads one pixel of each z × z, an even one "
        "the mean of four, so neighbouring factors need not fall in order."
    )
    return CurvePage(title_of_curves({**settings, "split": manifest.split}), caption, [[panel]], numbers)


def resolution_pictures(settings: Mapping[str, Any], manifest: Any) -> tuple[FigurePage, list[Number]]:
    """Images with their mask, and at each factor the low-resolution mask and what is scored; PxAP of each image."""
    import cv2

    from wsol.data.images import load_images

    size = settings["image_size"]
    factors = [factor for factor in settings["factors"] if factor <= size]
    chosen = evenly_over_classes(manifest.labels.tolist(), settings["images"])
    truth = GroundTruth(manifest)
    dataset = settings["datasets"][0]["dataset"]
    rows, numbers = [], []
    for image, index in zip(load_images(manifest, chosen, size), chosen, strict=True):
        masks = truth.masks(index, index + 1, size)
        assert masks is not None  # the configuration asks for a data set of masks
        panels = []
        for factor in factors:
            low = low_maps(masks, factor)[0]
            blocks = cv2.resize(low, (size, size), interpolation=cv2.INTER_NEAREST)
            bound = 100 * resolution_bounds([masks], [factor])[factor]
            quantity = f"PxAP of {manifest.image_ids[index]}"
            numbers.append(Number(dataset, "none", "none", "mask", quantity, [bound], at=str(factor)))
            panels.append(MapPanel(blocks, (0.0, 1.0), note=f"{low.shape[0]} × {low.shape[1]}"))
            panels.append(MapPanel(simulated_maps(masks, factor)[0], (0.0, 1.0), note=f"PxAP {bound:.1f}"))
        label = manifest.class_names[index]
        rows.append(FigureRow([Picture(image)], panels, label=label, region=masks[0] == 1))
    headings = ["image", *(heading for factor in factors for heading in (f"z = {factor}: low", "upscaled"))]
    page = FigurePage(
        title=title_of_curves({**settings, "split": manifest.split}),
        caption="Images evenly spaced over the classes. For each factor z: the mask downscaled by z, drawn as the "
        "blocks it consists of, and upscaled again, which is scored in place of a network's map. PxAP is that of the "
        "one image; figure D.3 pools all images of the split.",
        headings=headings,
        rows=rows,
        colours="sequential",
        bar=("share of the object, same scale in every panel", "0", "1"),
        outline="ground-truth mask",
    )
    return page, numbers


def _masks(manifest: Any, size: int) -> Iterator[Any]:
    truth = GroundTruth(manifest, keep_masks=False)
    for start in range(0, len(manifest), BLOCK):
        yield truth.masks(start, min(start + BLOCK, len(manifest)), size)
