"""The series in place and grid in colour, against the dense kernel; and its parts against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wsol.losses.crf import crf_loss, oracle
from wsol.losses.crf.cpu import exact, series
from wsol.losses.crf.filters import gaussian


def scene(height: int, width: int, channels: int = 2, seed: int = 0, noise: float = 0.0):
    """Probabilities of any kind and an image whose colours wander over the whole cube."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / (5 + 3 * k) + rng.uniform(0, 6)) * np.cos(y / (4 + 2 * k) + k) for k in range(3)]
    images = np.clip(np.rint(127.5 + 127.5 * np.stack(waves) + noise * rng.normal(size=(3, height, width))), 0, 255)
    return rng.random((1, channels, height, width)).astype(np.float32), images[None].astype(np.float32)


@pytest.mark.parametrize(
    ("height", "width", "channels", "noise", "sigmas"),
    [
        (40, 52, 2, 5.0, (15.0, 100.0)),
        (30, 30, 3, 200.0, (15.0, 20.0)),
        (33, 20, 1, 0.0, (40.0, 30.0)),
        (1, 40, 2, 9.0, (15.0, 100.0)),
    ],
)
def test_it_multiplies_by_the_kernel_matrix(height, width, channels, noise, sigmas) -> None:
    values, images = scene(height, width, channels, height, noise)
    found = series.filtered(values, images, *sigmas)
    expected = oracle.filtered(torch.from_numpy(values).double(), torch.from_numpy(images).double(), *sigmas).numpy()
    assert np.abs(found - expected).max() <= 2e-5 * expected.max()
    assert (values * found).sum(dtype=np.float64) == pytest.approx((values * expected).sum(), rel=1e-5)


def test_an_image_of_one_colour() -> None:
    values, images = scene(20, 24)
    images[:] = 77.0
    found = series.filtered(values, images, 15.0, 100.0)
    np.testing.assert_allclose(found, exact.filtered(values, images, 15.0, 100.0), rtol=2e-5)


def test_both_grids_give_the_same() -> None:
    """Greys are few nodes along the opponent axes; the corners of the cube are fewer along its edges."""
    values, images = scene(24, 24)
    grey = np.broadcast_to(images[:, :1], images.shape).copy()
    opponent, cube = (series.grid_of(image[0], 15.0) for image in (grey, images))
    assert opponent.shape[1:] == (8, 8) and min(cube.shape) > 20
    for image, grid in ((grey, opponent), (images, cube)):
        first = np.floor(grid.points) - (series.WIDTH // 2 - 1)
        assert (first >= 0).all() and (first + series.WIDTH <= np.array(grid.shape)[:, None]).all()
        expected = exact.filtered(values, image, 15.0, 100.0)
        assert np.abs(series.filtered(values, image, 15.0, 100.0) - expected).max() <= 2e-5 * expected.max()


@pytest.mark.parametrize(("height", "width", "sigma"), [(60, 80, 100.0), (224, 224, 100.0), (5, 30, 9.0)])
def test_the_modes_make_the_gaussian_in_place(height, width, sigma) -> None:
    modes = series.modes(height, width, sigma)
    assert modes is not None and modes.columns.shape[1] % 8 == 0
    rng = np.random.default_rng(0)
    y, v, x, u = (rng.integers(0, n, 2000) for n in (height, height, width, width))
    made = (modes.columns[x] * modes.rows[y] * modes.columns[u] * modes.rows[v]).sum(1)
    np.testing.assert_allclose(made, np.exp(-0.5 * ((y - v) ** 2 + (x - u) ** 2) / sigma**2), rtol=0, atol=1e-5)


def test_window_and_taps_make_the_gaussian_in_colour() -> None:
    """Σ ψ(x - g) κ(g - h) ψ(h - y) over the nodes, at every offset within a step and distances up to 6 σ."""
    taps = series.kernel_taps().astype(float)
    nodes = np.arange(-25, 26)
    apart = np.abs(nodes[:, None] - nodes)
    kernel = np.where(apart < taps.size, taps[np.minimum(apart, taps.size - 1)], 0)
    here, there = np.linspace(0, 1, 21), np.linspace(-12, 12, 481)
    windows = [series.window(points[:, None] - nodes) for points in (here, there)]
    made = windows[0] @ kernel @ windows[1].T
    expected = np.exp(-0.5 * (series.SPACING * (here[:, None] - there)) ** 2)
    assert np.abs(made - expected).max() < series.ERROR / 3


def test_which_images_suit() -> None:
    assert series.suits(224, 224, 15.0, 100.0) and series.suits(224, 200, 20.0, 90.0)
    assert not series.suits(48, 48, 15.0, 100.0)  # few pixels
    assert not series.suits(224, 224, 5.0, 100.0)  # a large grid
    assert not series.suits(224, 224, 15.0, 10.0)  # a long series


def test_the_loss_of_a_large_image_takes_it_and_has_its_gradient() -> None:
    values, images = scene(128, 130)
    probabilities = torch.from_numpy(values).softmax(1).requires_grad_()
    picture = torch.from_numpy(images)
    loss = crf_loss(probabilities, picture)
    loss.backward()
    by_pairs = exact.filtered(probabilities.detach().numpy(), images, 15.0, 100.0)
    expected = -(probabilities.detach().double().numpy() * by_pairs).sum()
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    assert np.abs(probabilities.grad.numpy() / -2 - by_pairs).max() <= 2e-5 * by_pairs.max()
    found = gaussian(probabilities.detach(), picture, 15.0, 100.0).numpy()
    assert np.array_equal(found, series.filtered(probabilities.detach().numpy(), images, 15.0, 100.0))
