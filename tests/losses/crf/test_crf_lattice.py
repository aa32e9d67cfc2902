"""The lattice of the CRF loss against one of dictionaries, pixel by pixel in float64, and against the Gaussian."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
import torch

from wsol.errors import ParameterError
from wsol.losses.crf import crf_loss, oracle
from wsol.losses.crf.filters import lattice
from wsol.testing.map_kinds import kind_maps

D = 5


def simplex(feature: np.ndarray) -> dict[tuple[int, ...], float]:
    """Corners around a point and its shares in them: the definition of Adams et al., section 3.

    The point is lifted to the plane Σ x = 0 of six dimensions. Corner k has coordinates of remainder k modulo 6: those
    of the nearest point of remainder 0, plus k, less 6 where the offset is among the k smallest.
    """
    scaled = feature * math.sqrt(2 / 3) * (D + 1) / np.sqrt([(i + 1) * (i + 2) for i in range(D)])
    tails = np.append(np.cumsum(scaled[::-1])[::-1], 0.0)  # one after the other: a zero feature makes an exact tie
    lifted = np.array([tails[i] - (i * scaled[i - 1] if i else 0.0) for i in range(D + 1)])
    zero = np.round(lifted / (D + 1)).astype(int)
    excess = zero.sum()
    offsets = lifted / (D + 1) - zero
    # Rounding may leave the plane; the coordinates that moved furthest go back, of equal ones the last.
    falling = np.argsort(-offsets, kind="stable")
    moved = falling[D + 1 - excess :] if excess > 0 else falling[:-excess]
    zero[moved] -= np.sign(excess)
    offsets[moved] += np.sign(excess)
    falling = np.argsort(-offsets, kind="stable")
    corners, shares = {}, [1 + offsets[falling[-1]] - offsets[falling[0]]]
    shares += [offsets[falling[D - k]] - offsets[falling[D + 1 - k]] for k in range(1, D + 1)]
    for k, share in enumerate(shares):
        corner = 6 * zero + k
        corner[falling[D + 1 - k :]] -= 6
        assert corner.sum() == 0
        corners[tuple(int(c) for c in corner)] = share
    return corners


def slow_lattice(values: np.ndarray, image: np.ndarray, sigma_rgb: float, sigma_xy: float) -> np.ndarray:
    """The lattice's W S (K, H, W)."""
    channels, height, width = values.shape
    simplices = {}
    lattice_values: dict[tuple[int, ...], np.ndarray] = defaultdict(lambda: np.zeros(channels))
    for y in range(height):
        for x in range(width):
            feature = np.array([x / sigma_xy, y / sigma_xy, *(image[:, y, x] / sigma_rgb)])
            simplices[y, x] = simplex(feature)
            for corner, share in simplices[y, x].items():
                lattice_values[corner] = lattice_values[corner] + share * values[:, y, x]
    nothing = np.zeros(channels)
    for axis in range(D + 1):
        step = np.ones(D + 1, dtype=int)
        step[axis] = -D
        blurred = {}
        for corner, value in lattice_values.items():
            sides = [lattice_values.get(tuple(int(c) for c in np.array(corner) + s), nothing) for s in (step, -step)]
            blurred[corner] = value + (sides[0] + sides[1]) / 2
        lattice_values = blurred
    result = np.zeros(values.shape)
    for (y, x), corners in simplices.items():
        result[:, y, x] = sum(share * lattice_values[corner] for corner, share in corners.items()) / (1 + 2**-D)
    return result


def scene(height: int, width: int, batch: int = 1, channels: int = 2, spread: int = 60, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, spread, (batch, 3, height, width), generator=generator).float()
    images[..., width // 2 :] += torch.tensor([10.0, 80.0, 150.0])[:, None, None]
    return torch.rand(batch, channels, height, width, generator=generator), images.clamp(max=255)


@pytest.mark.parametrize(
    ("height", "width", "channels", "spread", "sigmas"),
    [
        (1, 1, 1, 9, (15.0, 100.0)),
        (9, 14, 2, 60, (15.0, 100.0)),
        (13, 8, 3, 200, (15.0, 3.7)),
        (6, 6, 2, 256, (2.1, 1.3)),
    ],
)
def test_the_lattice_equals_one_of_dictionaries(height, width, channels, spread, sigmas) -> None:
    """No σ here makes y / σ whole: a point on the border of two simplices is in the one that rounding says."""
    values, images = scene(height, width, 2, channels, spread)
    found = lattice(values, images, *sigmas).numpy()
    for index in range(2):
        expected = slow_lattice(values[index].double().numpy(), images[index].double().numpy(), *sigmas)
        np.testing.assert_allclose(found[index], expected, rtol=0, atol=2e-5 * expected.max())


def test_more_corners_than_the_first_table_holds() -> None:
    """Pixel noise: nearly every pixel has six corners of its own, so that its table of corners grows."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (1, 3, 96, 96), generator=generator).float()
    values = torch.rand(1, 2, 96, 96, generator=generator)
    from wsol.losses.crf.cpu import lattice as engine

    points = engine.raw_features(images[0].numpy(), 3.0, 100.0)
    corners, shares, neighbours = engine.build(points, engine._SCALES)
    assert corners.max() == neighbours.shape[1] - 1 > engine._FIRST_SLOTS
    assert corners.min() == 1 and (np.diff(np.sort(corners, axis=1)) > 0).all()
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    assert shares.min() > -1e-5
    numbers = np.arange(1, neighbours.shape[1])
    for links in neighbours:
        up = links[numbers, 0]
        assert (links[up[up > 0], 1] == numbers[up > 0]).all()
    alone = lattice(values[..., :4, :5].contiguous(), images[..., :4, :5].contiguous(), 3.0, 100.0)
    expected = slow_lattice(values[0, :, :4, :5].double().numpy(), images[0, :, :4, :5].double().numpy(), 3.0, 100.0)
    np.testing.assert_allclose(alone[0], expected, rtol=0, atol=2e-5 * expected.max())


def photo_like(size: int, count: int) -> torch.Tensor:
    """Images (count, 3, size, size) of smooth colours with a little noise."""
    maps = kind_maps("smooth", 3 * count, size).reshape(count, 3, size, size)
    noise = np.random.default_rng(0).normal(scale=4.0, size=maps.shape)
    return torch.from_numpy(np.clip(np.rint(255 * maps + noise), 0, 255)).float()


def test_the_lattice_gives_half_to_two_thirds_of_the_exact_loss() -> None:
    """The band that photographs show, with some room; and the gradients point the same way."""
    images = photo_like(64, 4)
    generator = torch.Generator().manual_seed(1)
    probabilities = torch.randn(4, 2, 64, 64, generator=generator).softmax(1)
    gradients = []
    losses = []
    for kernel in ("exact", "lattice"):
        one = probabilities.clone().requires_grad_()
        losses.append(crf_loss(one, images, kernel=kernel))
        losses[-1].backward()
        gradients.append(one.grad.flatten())
    assert 0.45 < float(losses[1].detach() / losses[0].detach()) < 0.72
    assert float(torch.cosine_similarity(*gradients, dim=0)) > 0.99


def test_the_gradient_is_twice_what_the_lattice_gives() -> None:
    values, images = scene(12, 10, batch=2)
    values.requires_grad_()
    loss = crf_loss(values, images, kernel="lattice")
    loss.backward()
    filtered = lattice(values.detach(), images, 15.0, 100.0)
    torch.testing.assert_close(values.grad, -filtered)  # -2 W S over two images
    assert float(loss.detach()) == pytest.approx(-float((values.detach() * filtered).sum()) / 2, rel=1e-6)


def test_the_lattice_of_one_pixel_alone_keeps_less_than_the_gaussian() -> None:
    """No neighbour, no blur: a pixel's shares squared, over 1 + 2^-5; the Gaussian has 1."""
    image = torch.tensor([120.0, 30.0, 210.0]).view(1, 3, 1, 1)
    shares = np.array(list(simplex(np.array([0, 0, 8, 2, 14.0])).values()))
    found = float(lattice(torch.ones(1, 1, 1, 1), image, 15.0, 100.0))
    matrix = np.eye(6) + 0.0
    corners = np.array(list(simplex(np.array([0, 0, 8, 2, 14.0]))))
    for axis in range(6):
        step = np.ones(6, dtype=int)
        step[axis] = -5
        link = [[((b - a) == step).all() or ((a - b) == step).all() for b in corners] for a in corners]
        matrix = (np.eye(6) + 0.5 * np.array(link)) @ matrix
    assert found == pytest.approx(shares @ matrix @ shares / (1 + 2**-5), rel=1e-5)
    assert float(oracle.filtered(torch.ones(1, 1, 1, 1), image, 15.0, 100.0)) == 1


def test_sigmas_too_small_for_the_lattice_are_refused() -> None:
    values, images = scene(4, 4)
    with pytest.raises(ParameterError, match="use kernel exact"):
        crf_loss(values, images, kernel="lattice", sigma_rgb=0.01)
