"""Batched transforms against torchvision's functions, an image at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import functional

from wsol.data.transforms import IMAGENET_MEAN, IMAGENET_STD, denormalise, eval_batch, split_masks, train_batch
from wsol.errors import ParameterError


def images(count: int, side: int, seed: int = 0) -> torch.Tensor:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    return torch.from_numpy(pixels)


def reference(image: torch.Tensor) -> torch.Tensor:
    return functional.normalize(functional.to_tensor(image.numpy()), IMAGENET_MEAN, IMAGENET_STD)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_eval_batch_is_to_tensor_and_normalize() -> None:
    batch = images(3, 9)
    assert torch.equal(eval_batch(batch), torch.stack([reference(image) for image in batch]))
    assert torch.equal(batch, images(3, 9))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(4, 12), st.integers(0, 4), st.integers(0, 2**31))
def test_train_batch_is_crop_flip_normalize_of_each_image(count: int, side: int, margin: int, seed: int) -> None:
    crop = side - min(margin, side - 1)
    batch = images(count, side)
    got = train_batch(batch, crop, generator(seed))

    draws = generator(seed)
    top = torch.randint(side - crop + 1, (count,), generator=draws).tolist()
    left = torch.randint(side - crop + 1, (count,), generator=draws).tolist()
    flip = (torch.rand(count, generator=draws) < 0.5).tolist()
    for index in range(count):
        wanted = functional.crop(reference(batch[index]), top[index], left[index], crop, crop)
        assert torch.equal(got[index], functional.hflip(wanted) if flip[index] else wanted)


def test_same_generator_state_same_batch() -> None:
    batch = images(4, 16)
    state = generator(3)
    first, second = train_batch(batch, 12, state), train_batch(batch, 12, state)
    assert torch.equal(train_batch(batch, 12, generator(3)), first)
    assert not torch.equal(first, second)
    assert first.is_contiguous()
    assert first.dtype == torch.float32


def test_every_offset_and_both_flips_are_drawn_evenly() -> None:
    """A ramp over the columns tells where each crop came from; 1500 draws over 3 offsets and 2 flips, six sigma."""
    ramp = torch.arange(4, dtype=torch.uint8).view(1, 1, 4, 1).expand(1500, 4, 4, 3)
    crops = denormalise(train_batch(ramp, 2, generator()))[:, 0, :, 0]
    pairs, counts = torch.unique(crops, dim=0, return_counts=True)
    assert sorted(map(tuple, pairs.tolist())) == [(0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (3, 2)]
    assert (counts - 250).abs().max() < 6 * (1500 * (1 / 6) * (5 / 6)) ** 0.5


def test_denormalise_inverts_for_all_values() -> None:
    every = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    assert torch.equal(denormalise(eval_batch(every)), every)


def test_a_crop_that_does_not_fit_is_refused() -> None:
    for crop in (9, 0):
        with pytest.raises(ParameterError, match=f"crop {crop} does not fit images of 8×8"):
            train_batch(images(1, 8), crop, generator())


# --- masks, a fourth channel --------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(4, 12), st.integers(0, 4), st.integers(0, 2**31))
def test_masks_are_cropped_and_flipped_with_their_images(count: int, side: int, margin: int, seed: int) -> None:
    crop = side - min(margin, side - 1)
    pixels = images(count, side, seed % 1000)
    masks = torch.from_numpy(np.random.default_rng(seed).choice(np.array([0, 1, 255], np.uint8), (count, side, side)))
    batch = train_batch(torch.cat([pixels, masks[..., None]], dim=3), crop, generator(seed))
    cropped, got = split_masks(batch)
    assert torch.equal(cropped, train_batch(pixels, crop, generator(seed))), "a mask changes nothing of its image"

    draws = generator(seed)
    top = torch.randint(side - crop + 1, (count,), generator=draws).tolist()
    left = torch.randint(side - crop + 1, (count,), generator=draws).tolist()
    flip = (torch.rand(count, generator=draws) < 0.5).tolist()
    assert got.shape == (count, crop, crop) and got.dtype == torch.uint8
    for index in range(count):
        for y in range(crop):
            for x in range(crop):
                column = crop - 1 - x if flip[index] else x
                assert got[index, y, x] == masks[index, top[index] + y, left[index] + column]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_taking_the_masks_off_keeps_the_layout(layout: torch.memory_format) -> None:
    batch = train_batch(images(3, 8).repeat(1, 1, 1, 2)[..., :4], 6, generator()).contiguous(memory_format=layout)
    pixels, masks = split_masks(batch)
    assert pixels.is_contiguous(memory_format=layout)
    assert torch.equal(pixels, batch[:, :3]) and torch.equal(masks.float(), batch[:, 3])


def test_a_batch_without_masks_is_told_so() -> None:
    with pytest.raises(ParameterError, match=r"shape \(2, 3, 6, 6\) has no mask .* needs_masks = True"):
        split_masks(train_batch(images(2, 8), 6, generator()))
