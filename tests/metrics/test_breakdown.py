from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.errors import DataError
from wsol.metrics.breakdown import SIZE_EDGES, SIZES, box_sizes, by_class, by_size, mask_sizes
from wsol.metrics.masks import PixelHistograms


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=40),
)
@settings(deadline=None, max_examples=50)
def test_classes_count_their_own_images(images):
    labels, hits = (np.array(column) for column in zip(*images, strict=True))
    groups = by_class(labels, 6)
    for label in range(6):
        own = hits[labels == label]
        assert groups.n[label] == own.size
        assert groups.hits(hits)[label] == own.sum()
        if own.size:
            assert groups.value(hits)[label] == 100 * own.sum() / own.size
        else:
            assert np.isnan(groups.value(hits)[label])
    assert groups.n.sum() == len(images) and groups.hits(hits).sum() == hits.sum()


def test_sizes_fall_in_their_bins_lower_edge_in():
    shares = [0.0, 0.0999, 0.1, 0.2999, 0.3, 0.5999, 0.6, 1.0, np.nan]
    groups = by_size(shares)
    assert groups.index.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, -1]
    assert groups.n.tolist() == [2, 2, 2, 2]
    assert groups.hits([True] * 9).tolist() == [2, 2, 2, 2]
    assert len(SIZES) == len(SIZE_EDGES) - 1


def test_the_largest_box_counts_within_the_frame_with_both_corners():
    boxes = [
        np.array([[0, 0, 9, 4], [2, 2, 3, 3]]),
        np.array([[0, 0, 19, 9]]),
        np.array([[15, 5, 40, 40]]),
        np.array([[3, 3, 3, 3]]),
        np.empty((0, 4)),
    ]
    expected = [50 / 200, 1.0, 25 / 200, 1 / 200, np.nan]
    np.testing.assert_allclose(box_sizes(boxes, (10, 20)), expected, rtol=1e-12)


def test_mask_size_is_its_share_of_object_pixels():
    masks = np.zeros((2, 4, 5), dtype=np.uint8)
    masks[0, :2] = 1
    masks[1] = 255
    assert mask_sizes(masks).tolist() == [0.5, 0.0]


def test_pixels_of_a_group_are_pooled():
    rng = np.random.default_rng(0)
    maps, masks = rng.random((9, 6, 6)), rng.choice([0, 1, 255], (9, 6, 6)).astype(np.uint8)
    labels = np.array([0, 0, 2, 2, 2, 3, 3, 3, 3])
    masks[labels == 3] = 0
    kept = PixelHistograms(50, keep_images=True)
    kept.add(maps, masks)
    found = by_class(labels, 4).pixel_value(kept.images)
    for label in (0, 2):
        own = PixelHistograms(50)
        own.add(maps[labels == label], masks[labels == label])
        assert found[label] == pytest.approx(100 * own.result().ap, rel=1e-12)
    assert np.isnan(found[[1, 3]]).all()


def test_outcomes_must_be_one_an_image():
    with pytest.raises(DataError, match="3 images in groups"):
        by_class([0, 1, 2], 3).hits([True])
