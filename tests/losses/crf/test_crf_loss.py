"""The CRF loss against a double loop over pixels, its gradient, its scaling and its checks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from wsol.errors import DataError, ParameterError
from wsol.losses.crf import KERNELS, crf_loss, oracle
from wsol.losses.crf.filters import gaussian, lattice


def scene(height: int = 9, width: int = 7, batch: int = 1, channels: int = 2, seed: int = 0, dtype=torch.float32):
    """Probabilities that sum to one, and images of two noisy halves."""
    generator = torch.Generator().manual_seed(seed)
    probabilities = torch.randn(batch, channels, height, width, generator=generator).to(dtype).softmax(1)
    images = torch.randint(0, 60, (batch, 3, height, width), generator=generator).float()
    images[..., width // 2 :] += torch.tensor([40.0, 120.0, 180.0])[:, None, None]
    return probabilities, images


def double_loop(probabilities: torch.Tensor, images: torch.Tensor, sigma_rgb: float, sigma_xy: float) -> float:
    total = 0.0
    batch, channels, height, width = probabilities.shape
    pixels = [(y, x) for y in range(height) for x in range(width)]
    for n in range(batch):
        for y, x in pixels:
            for v, u in pixels:
                colour = float(((images[n, :, y, x] - images[n, :, v, u]).double() ** 2).sum())
                place = (y - v) ** 2 + (x - u) ** 2
                weight = math.exp(-0.5 * (colour / sigma_rgb**2 + place / sigma_xy**2))
                for k in range(channels):
                    total += weight * float(probabilities[n, k, y, x]) * float(probabilities[n, k, v, u])
    return -total / batch


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_exact_loss_is_the_double_sum_over_pixels(channels, dtype) -> None:
    probabilities, images = scene(5, 4, batch=2, channels=channels, dtype=dtype)
    expected = double_loop(probabilities, images, 20.0, 3.0)
    found = crf_loss(probabilities, images, sigma_rgb=20.0, sigma_xy=3.0)
    assert found.shape == () and found.dtype == dtype
    assert float(found) == pytest.approx(expected, rel=1e-6 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (8, 8), (9, 7), (13, 40), (48, 48)])
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_the_engine_multiplies_by_the_kernel_matrix(height, width, channels) -> None:
    values, images = scene(height, width, batch=2, channels=channels, seed=height)
    found = gaussian(values, images, 15.0, 100.0)
    for index in range(2):
        matrix = oracle.kernel_matrix(images[index].double(), 15.0, 100.0)
        expected = (values[index].double().flatten(1) @ matrix).view(channels, height, width)
        assert float((found[index] - expected).abs().max()) <= 2e-6 * float(expected.max())


def test_the_kernel_matrix_is_symmetric_with_each_pixel_its_own_neighbour() -> None:
    _, images = scene()
    matrix = oracle.kernel_matrix(images[0].double(), 15.0, 100.0)
    assert torch.equal(matrix, matrix.T)
    assert torch.equal(matrix.diagonal(), torch.ones(63, dtype=torch.float64))
    assert float(matrix.min()) > 0 and float(matrix.max()) == 1


def test_a_lone_pixel_is_its_own_pair() -> None:
    assert float(crf_loss(torch.tensor([[[[0.25]], [[0.75]]]]), torch.full((1, 3, 1, 1), 7.0))) == pytest.approx(
        -(0.25**2 + 0.75**2)
    )


def test_an_image_of_one_colour_and_no_distance_counts_all_pairs() -> None:
    values = torch.rand(1, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    found = crf_loss(values, torch.full((1, 3, 16, 16), 200.0), sigma_xy=1e6)
    assert float(found) == pytest.approx(-float((values.double().sum((2, 3)) ** 2).sum()), rel=1e-6)


def test_values_of_one_give_the_row_sums() -> None:
    _, images = scene(12, 10)
    rows = oracle.kernel_matrix(images[0].double(), 15.0, 100.0).sum(1).view(12, 10)
    found = gaussian(torch.ones(1, 1, 12, 10), images, 15.0, 100.0)[0, 0]
    torch.testing.assert_close(found.double(), rows, rtol=2e-6, atol=0)


def test_the_loss_is_the_relaxed_cut_up_to_a_constant() -> None:
    probabilities, images = scene(dtype=torch.float64)
    matrix = oracle.kernel_matrix(images[0].double(), 15.0, 100.0)
    flat = probabilities[0].flatten(1)
    cut = sum(float(row @ matrix @ (1 - row)) for row in flat)
    assert float(crf_loss(probabilities, images)) == pytest.approx(cut - float(matrix.sum()), rel=1e-12)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_gradients_equal_finite_differences(scale) -> None:
    probabilities, images = scene(4, 6, batch=2, dtype=torch.float64)
    probabilities.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: crf_loss(p, images, sigma_xy=4.0, scale=scale), (probabilities,))


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("channels", [2, 3])
def test_the_engine_has_the_gradient_of_dense_autograd(channels, scale) -> None:
    probabilities, images = scene(10, 12, batch=3, channels=channels)
    ours, dense = (probabilities.clone().to(d).requires_grad_() for d in (torch.float32, torch.float64))
    found = crf_loss(ours, images, scale=scale)
    (3 * found).backward()
    small, colours = dense, images.double()
    if scale != 1:
        small = torch.nn.functional.interpolate(dense, scale_factor=0.5, mode="bilinear")
        colours = images.double()[:, :, ::2, ::2]
    expected = torch.zeros((), dtype=torch.float64)
    for one, image in zip(small, colours, strict=True):
        flat = one.flatten(1)
        expected = expected - (flat * (flat @ oracle.kernel_matrix(image, 15.0, 100.0 * scale))).sum() / 3
    (3 * expected).backward()
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    torch.testing.assert_close(ours.grad.double(), dense.grad, rtol=3e-6, atol=0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_loss_is_the_mean_over_images_and_so_is_its_gradient(kernel) -> None:
    probabilities, images = scene(11, 6, batch=3)
    probabilities.requires_grad_()
    together = crf_loss(probabilities, images, kernel=kernel)
    together.backward()
    losses, gradients = [], []
    for one, image in zip(probabilities.detach(), images, strict=True):
        alone = one[None].clone().requires_grad_()
        losses.append(crf_loss(alone, image[None], kernel=kernel))
        losses[-1].backward()
        gradients.append(alone.grad[0])
    assert float(together.detach()) == pytest.approx(sum(float(loss.detach()) for loss in losses) / 3, rel=1e-6)
    torch.testing.assert_close(probabilities.grad, torch.stack(gradients) / 3)


@pytest.mark.parametrize("filtered", [gaussian, lattice])
def test_threads_change_nothing(filtered) -> None:
    values, images = scene(33, 30, batch=2, channels=3)
    one, two = (filtered(values, images, 15.0, 100.0, threads=threads) for threads in (1, 2))
    assert torch.equal(one, two)


@pytest.mark.parametrize("kernel", KERNELS)
def test_half_precision_is_computed_in_float32(kernel) -> None:
    probabilities, images = scene(20, 20)
    half = probabilities.half().requires_grad_()
    loss = crf_loss(half, images, kernel=kernel)
    loss.backward()
    assert loss.dtype == torch.float32 and half.grad.dtype == torch.float16
    assert float(loss.detach()) == float(crf_loss(half.detach().float(), images, kernel=kernel))


def test_any_type_and_layout_of_images_will_do() -> None:
    probabilities, images = scene(8, 6)
    expected = crf_loss(probabilities, images)
    assert torch.equal(crf_loss(probabilities, images.to(torch.uint8)), expected)
    mirrored = images.flip(3).contiguous(memory_format=torch.channels_last).flip(3)
    assert torch.equal(crf_loss(probabilities.transpose(2, 3).contiguous().transpose(2, 3), mirrored), expected)


def test_far_tiles_left_out_change_little() -> None:
    """Two colours 12 σ apart: all pairs across are left out at 6 σ, and none of what is within."""
    from wsol.losses.crf.cpu import exact

    values, images = scene(32, 32, seed=3)
    images[:] = 20.0
    images[:, :, :, 16:] = 20.0 + 12 * 15
    arrays = values.numpy(), images.numpy(), 15.0, 100.0
    pruned, whole = exact.filtered(*arrays), exact.filtered(*arrays, cutoff=math.inf)
    assert np.abs(pruned - whole).max() <= 1024 * math.exp(-18)
    np.testing.assert_allclose(pruned, whole, rtol=2e-6)
    near = exact.filtered(*arrays, cutoff=0.01)
    assert (near < 0.999 * whole).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "dense"}, "kernel 'dense'"),
        ({"sigma_rgb": 0.0}, "sigma_rgb is 0"),
        ({"sigma_xy": -1.0}, "sigma_xy is -1"),
        ({"sigma_xy": math.nan}, "sigma_xy is nan"),
        ({"scale": 0.0}, "scale is 0"),
        ({"scale": 1.5}, "scale is 1.5"),
        ({"scale": 0.1}, "leaves no pixel"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_parameters_out_of_range_are_refused(options, message) -> None:
    probabilities, images = scene()
    with pytest.raises(ParameterError, match=message):
        crf_loss(probabilities, images, **options)


def test_tensors_that_do_not_fit_are_refused() -> None:
    probabilities, images = scene()
    for wrong in (probabilities[0], probabilities.long(), probabilities[:0]):
        with pytest.raises(DataError, match="probabilities have shape"):
            crf_loss(wrong, images)
    for wrong in (images[:, :1], images[..., :-1], images.repeat(2, 1, 1, 1)):
        with pytest.raises(DataError, match="images have shape"):
            crf_loss(probabilities, wrong)
    for wrong in (images - 100, images * 2, images * math.nan):
        with pytest.raises(DataError, match=r"give RGB in 0\.\.\.255"):
            crf_loss(probabilities, wrong)
