"""F-CAM's regions against OpenCV and slow loops, and what may be drawn from them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from wsol.data.masks import BACKGROUND, IGNORED, OBJECT
from wsol.losses.sampling_regions import (
    Regions,
    draw,
    draw_labels,
    eroded,
    full_size,
    grey_levels,
    lowest,
    otsu_thresholds,
    sampling_regions,
)


def smooth_maps(count: int, seed: int = 0, side: int = 40) -> torch.Tensor:
    coarse = torch.randn(count, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(coarse, size=(side, side), mode="bicubic")[:, 0]


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# --- Otsu ---------------------------------------------------------------------------------------------------------


def otsu_by_loop(image: np.ndarray) -> int:
    """The definition, with exact integers: the first level of the largest between-class variance."""
    values = image.ravel().astype(int).tolist()
    best, chosen = (0, 1), 0
    for level in range(256):
        low = [value for value in values if value <= level]
        high = [value for value in values if value > level]
        if low and high:
            top = (sum(high) * len(low) - sum(low) * len(high)) ** 2
            bottom = len(low) * len(high)
            if top * best[1] > best[0] * bottom:
                best, chosen = (top, bottom), level
    return chosen


@pytest.mark.parametrize("seed", range(4))
def test_otsu_splits_as_opencv_and_the_definition_do(seed: int) -> None:
    levels = grey_levels(full_size(smooth_maps(6, seed, side=9), (37, 25)))
    found = otsu_thresholds(levels)
    for image, threshold in zip(levels, found, strict=True):
        array = image.numpy().astype(np.uint8)
        reference, _ = cv2.threshold(array, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        # Between two levels that occur any threshold splits alike, and OpenCV's sums are rounded there.
        np.testing.assert_array_equal(array > int(threshold), array > reference)
        assert int(threshold) == otsu_by_loop(array)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=12))
def test_otsu_of_few_pixels(values: list[int]) -> None:
    assert int(otsu_thresholds(torch.tensor(values)[None, None])) == otsu_by_loop(np.array(values))


def test_otsu_of_two_levels_and_of_one() -> None:
    levels = torch.tensor([[[0, 0, 200]], [[10, 200, 200]], [[7, 7, 7]]])
    assert otsu_thresholds(levels).tolist() == [0, 10, 0]


# --- from a CAM to regions ----------------------------------------------------------------------------------------


def test_maps_are_scaled_before_they_are_resized() -> None:
    cams = torch.tensor([[[-2.0, 0.0], [2.0, 6.0]]])
    scaled = (cams + 2) / 8
    expected = functional.interpolate(scaled[:, None], size=(8, 6), mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(full_size(cams, (8, 6)), expected)
    odd = torch.stack([torch.full((3, 3), 4.0), torch.tensor([[1, 2, torch.nan]] * 3), torch.eye(3) * torch.inf])
    assert not full_size(odd, (6, 6)).any(), "what has no scale is 0"


def test_regions_are_the_definition_image_by_image() -> None:
    cams, share = smooth_maps(5, seed=3, side=7), 0.3
    found = sampling_regions(cams, (32, 24), share)
    for index, cam in enumerate(cams):
        low, high = float(cam.min()), float(cam.max())
        scaled = ((cam - low) / (high - low)).numpy()
        large = cv2.resize(scaled, (24, 32), interpolation=cv2.INTER_LINEAR)
        # OpenCV's weights round in the last digit, which can move a grey level by one.
        ours = full_size(cam[None], (32, 24))[0].numpy()
        np.testing.assert_allclose(ours, large, atol=1e-5)
        levels = (255 * ours).astype(np.uint8)
        threshold = min(max(otsu_by_loop(levels), 1), 254)
        np.testing.assert_array_equal(found.foreground[index].numpy(), levels > threshold)
        order = np.argsort(ours.ravel(), kind="stable")[: int(share * ours.size)]
        background = np.zeros(ours.size, dtype=bool)
        background[order] = True
        np.testing.assert_array_equal(found.background[index].numpy().ravel(), background)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.37, 0.7, 1.0])
def test_of_equal_values_the_first_are_the_lowest(share: float) -> None:
    maps = torch.randint(0, 4, (6, 9, 11), generator=stream()).float()
    for image, found in zip(maps, lowest(maps, share), strict=True):
        order = np.argsort(image.numpy().ravel(), kind="stable")
        expected = np.zeros(99, dtype=bool)
        expected[order[: int(share * 99)]] = True
        np.testing.assert_array_equal(found.numpy().ravel(), expected)


@pytest.mark.parametrize("side", [3, 5, 11])
def test_erosion_is_opencvs_and_is_undone_where_nothing_is_left(side: int) -> None:
    regions = smooth_maps(6, seed=5, side=30) > 0.1
    kernel = np.ones((side, side), np.uint8)
    vanished = 0
    for before, after in zip(regions.numpy(), eroded(regions, side).numpy(), strict=True):
        expected = cv2.erode(before.astype(np.uint8), kernel) > 0
        vanished += not expected.any()
        np.testing.assert_array_equal(after, expected if expected.any() else before)
    lone = torch.zeros(1, 9, 9, dtype=torch.bool)
    lone[0, 4, 4] = True
    assert torch.equal(eroded(lone, side), lone)
    assert vanished < 6


def test_a_constant_map_and_one_without_numbers_say_nothing() -> None:
    good = smooth_maps(1, side=8)
    cams = torch.cat([torch.full((1, 8, 8), 3.0), torch.full((1, 8, 8), torch.nan), good])
    found = sampling_regions(cams, (16, 16), 0.5, erosion=3)
    for region in found:
        assert region.flatten(1).any(1).tolist() == [False, False, True]
    assert found.background[2].sum() == 128


# --- drawing ------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 99), st.integers(1, 9))
def test_draws_are_distinct_pixels_of_the_region(seed: int, pixels: int) -> None:
    regions = torch.rand(7, 4, 5, generator=stream(seed)) < torch.linspace(0, 1, 7)[:, None, None]
    drawn = draw(regions, pixels, stream(seed + 1))
    assert not (drawn & ~regions).any()
    sizes = regions.flatten(1).sum(1)
    assert torch.equal(drawn.flatten(1).sum(1), sizes.clamp_max(pixels))
    assert torch.equal(drawn, draw(regions, pixels, stream(seed + 1)))


@pytest.mark.parametrize("pixels", [1, 3])
def test_every_pixel_of_a_region_is_as_likely(pixels: int) -> None:
    region = torch.zeros(1, 3, 4, dtype=torch.bool)
    region.view(-1)[[0, 3, 5, 10, 11]] = True
    trials = 4000
    counts = draw(region.expand(trials, -1, -1), pixels, stream()).sum(0)[region[0]].double()
    share = pixels / 5
    assert ((counts - trials * share).abs() < 4.5 * (trials * share * (1 - share)) ** 0.5).all()


def test_labels_are_drawn_anew_from_the_given_stream() -> None:
    regions = sampling_regions(smooth_maps(4, side=9), (24, 24), 0.4)
    one = draw_labels(regions, 1, 1, stream(1))
    assert torch.equal(one, draw_labels(regions, 1, 1, stream(1)))
    assert not torch.equal(one, draw_labels(regions, 1, 1, stream(2)))
    assert one.dtype == torch.int64
    for labels, foreground, background in zip(one, *regions, strict=True):
        assert (labels == OBJECT).sum() <= 1 and foreground[labels == OBJECT].all()
        assert (labels == BACKGROUND).sum() <= 1 and background[labels == BACKGROUND].all()
        assert ((labels == IGNORED) | (labels < 2)).all()


def test_dilated_pixels_lose_where_they_overlap() -> None:
    """One pixel of each kind, two columns apart: squares of 3 share a column."""
    foreground, background = torch.zeros(2, 1, 5, 7, dtype=torch.bool)
    foreground[0, 2, 2] = background[0, 2, 4] = True
    labels = draw_labels(Regions(foreground, background), 1, 3, stream())[0]
    expected = torch.full((5, 7), IGNORED)
    expected[1:4, 1:3], expected[1:4, 4:6] = OBJECT, BACKGROUND
    expected[1:4, 3] = IGNORED
    assert torch.equal(labels, expected)


def test_an_empty_region_gives_no_label_and_the_other_its_own() -> None:
    none = torch.zeros(2, 6, 6, dtype=torch.bool)
    labels = draw_labels(Regions(none, ~none), 2, 1, stream())
    assert (labels == BACKGROUND).sum() == 4 and (labels == OBJECT).sum() == 0
    assert (draw_labels(Regions(none, none), 2, 3, stream()) == IGNORED).all()
