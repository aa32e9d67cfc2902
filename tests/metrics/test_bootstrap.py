from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.errors import DataError, ParameterError
from wsol.metrics.bootstrap import (
    average_precision,
    bootstrap_hits,
    bootstrap_means,
    bootstrap_pixels,
    interval,
    resample_indices,
)
from wsol.metrics.curves import HitCurves
from wsol.metrics.levels import threshold_grid
from wsol.metrics.masks import PixelHistograms


def random_hits(seed: int, count: int, n_iou: int, maxima: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Hits (N, D, 256) by grey level, and the largest grey level of each map."""
    rng = np.random.default_rng(seed)
    return rng.random((count, n_iou, 256)) < rng.random((count, 1, 1)), rng.choice(maxima, count).astype(np.uint8)


def curves_of(hits: np.ndarray, maximum: np.ndarray, thresholds=1000) -> HitCurves:
    curves = HitCurves(hits.shape[1], threshold_grid(thresholds))
    curves.add(hits, maximum)
    return curves


@given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 12),
    n_iou=st.integers(1, 3),
    maxima=st.lists(st.integers(0, 255), min_size=1, max_size=3),
    thresholds=st.one_of(st.integers(1, 40), st.just(1000), st.lists(st.floats(0, 1.5), min_size=1, max_size=5)),
    tau=st.floats(0, 1.2),
    chunk=st.sampled_from([1, 37, 1000, 1 << 22]),
)
@settings(deadline=None, max_examples=60)
def test_it_is_what_drawing_images_again_gives(seed, count, n_iou, maxima, thresholds, tau, chunk):
    hits, maximum = random_hits(seed, count, n_iou, maxima)
    curves = curves_of(hits, maximum, thresholds)
    taus = tau * np.arange(1, n_iou + 1) / n_iou
    found = bootstrap_hits(curves, 9, seed, taus, chunk=chunk)

    by_threshold = curves.hits()
    level = np.minimum((maximum[:, None] * taus).astype(int), 255)
    at_taus = np.take_along_axis(hits, level[..., None], axis=2)[..., 0]
    for resample, images in enumerate(resample_indices(count, 9, seed)):
        best = by_threshold[images].sum(axis=0).max(axis=1) / count
        assert (found.best[resample] == best).all()
        assert (found.fixed[resample] == at_taus[images].sum(axis=0) / count).all()


def test_counts_are_exact_for_a_split_as_large_as_cub_test():
    hits, maximum = random_hits(3, 5794, 3, [255, 254, 0])
    curves = curves_of(hits, maximum)
    found = bootstrap_hits(curves, 3, 7, 0.2)
    by_threshold = curves.hits()
    for resample, images in enumerate(resample_indices(5794, 3, 7)):
        counts = by_threshold[images].sum(axis=0)
        assert (found.best[resample] == counts.max(axis=1) / 5794).all()
        assert (found.fixed[resample] == counts[:, 200] / 5794).all()


def test_the_best_threshold_is_chosen_anew_on_each_resample():
    # Half of the images are hits at low thresholds alone, half at high ones alone: the best share is the larger half.
    hits = np.zeros((40, 1, 256), dtype=bool)
    hits[:20, 0, :128] = hits[20:, 0, 128:] = True
    found = bootstrap_hits(curves_of(hits, np.full(40, 255, np.uint8)), 500, 0, 0.2)
    low = found.fixed[:, 0]
    np.testing.assert_allclose(found.best[:, 0], np.maximum(low, 1 - low), rtol=1e-12)
    assert found.best.min() >= 0.5 > low.min()


def test_values_share_their_resamples():
    hits, maximum = random_hits(5, 30, 2, [255])
    curves = curves_of(hits, maximum)
    tau = curves.thresholds[321]
    found = bootstrap_hits(curves, 50, 4, tau)
    np.testing.assert_allclose(found.fixed, bootstrap_means(curves.hits()[..., 321], 50, 4), rtol=1e-12)


def test_a_fixed_threshold_varies_as_a_share_does():
    rng = np.random.default_rng(0)
    outcomes = rng.random(500) < 0.7
    drawn = bootstrap_means(outcomes, 4000, 1)
    share = outcomes.mean()
    deviation = np.sqrt(share * (1 - share) / 500)
    assert drawn.std() == pytest.approx(deviation, rel=0.05)
    assert drawn.mean() == pytest.approx(share, abs=4 * deviation / np.sqrt(4000))
    low, high = interval(drawn)
    assert (low, high) == pytest.approx((share - 1.96 * deviation, share + 1.96 * deviation), abs=0.004)


def test_intervals_cover_the_value_of_the_population():
    # 95 % of the intervals should hold the truth; 400 trials put the share within 3.3 points of it 997 times in 1000.
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(400):
        sample = rng.random(150) < 0.6
        low, high = interval(bootstrap_means(sample, 300, trial))
        covered += low <= 0.6 <= high
    assert 0.91 <= covered / 400 <= 0.985


def test_intervals_of_the_best_threshold_cover_too():
    # An image is a hit where its own best threshold lies within 0.2: the population's best share is at the mean, 0.5.
    rng = np.random.default_rng(4)
    level = np.arange(256) / 255
    truth = np.mean(np.abs(rng.normal(0, 0.15, 1_000_000)) <= 0.2)
    covered = 0
    for trial in range(100):
        best = rng.normal(0.5, 0.15, 400)
        hits = np.abs(level - best[:, None]) <= 0.2
        found = bootstrap_hits(curves_of(hits[:, None], np.full(400, 255, np.uint8), 50), 200, trial)
        low, high = interval(found.best[:, 0])
        covered += low <= truth <= high
    assert covered >= 85


def pixels(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    masks = rng.choice([0, 1, 255], (count, 8, 8), p=[0.6, 0.3, 0.1]).astype(np.uint8)
    return np.clip(rng.random((count, 8, 8)) * 0.7 + 0.3 * (masks == 1), 0, 1), masks


@pytest.mark.parametrize("chunk", [1, 1 << 22])
def test_pixels_are_those_of_the_drawn_images(chunk):
    maps, masks = pixels(0, 7)
    kept = PixelHistograms(20, keep_images=True)
    kept.add(maps, masks)
    found = bootstrap_pixels(kept.images, 12, 3, chunk=chunk)
    for resample, images in enumerate(resample_indices(7, 12, 3)):
        drawn = PixelHistograms(20)
        drawn.add(maps[images], masks[images])
        assert found[resample] == pytest.approx(drawn.result().ap, rel=1e-12)
    assert average_precision(kept.images.sum(axis=0)) == pytest.approx(kept.result().ap, rel=1e-12)


def test_a_resample_without_an_object_has_no_value():
    counts = np.zeros((2, 2, 5), dtype=np.uint16)
    counts[:, 1] = 4
    counts[0, 0] = [0, 1, 0, 2, 0]
    found = bootstrap_pixels(counts, 40, 0)
    without = np.array([(images == 1).all() for images in resample_indices(2, 40, 0)])
    assert without.any() and (np.isnan(found) == without).all()
    assert interval(found) == interval(found[~without])
    with pytest.raises(DataError, match="undefined on every resample"):
        interval(found[without])


def test_what_cannot_be_resampled_is_refused():
    curves = curves_of(*random_hits(0, 3, 1, [255]))
    with pytest.raises(ParameterError, match="resamples: 0"):
        bootstrap_hits(curves, 0)
    with pytest.raises(ParameterError, match="resamples: -3"):
        bootstrap_means([True, False], -3)
    with pytest.raises(ParameterError, match="seed: -1"):
        bootstrap_hits(curves, 10, -1)
    with pytest.raises(DataError, match="no image"):
        bootstrap_hits(HitCurves(1, threshold_grid(10)))
    with pytest.raises(DataError, match="no image"):
        bootstrap_means(np.zeros(0))
    with pytest.raises(DataError, match="objects first"):
        bootstrap_pixels(np.zeros((3, 1, 5), dtype=np.int64))
