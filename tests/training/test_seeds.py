"""Named random streams."""

from __future__ import annotations

import hashlib
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from wsol.training.seeds import stream_seed


def test_a_seed_is_a_function_of_its_names_in_any_process() -> None:
    expected = int.from_bytes(hashlib.sha256(b"3/dropout/2/7").digest()[:8], "little") // 2
    assert stream_seed(3, "dropout", 2, 7) == expected
    program = "from wsol.training.seeds import stream_seed; print(stream_seed(3, 'dropout', 2, 7))"
    assert int(subprocess.check_output([sys.executable, "-c", program])) == expected


def test_streams_of_other_seeds_purposes_and_positions_differ() -> None:
    seeds = {
        stream_seed(seed, purpose, epoch, step)
        for seed in range(4)
        for purpose in ("augment", "dropout", "method", "order")
        for epoch in range(1, 13)
        for step in range(13)
    }
    assert len(seeds) == 4 * 4 * 12 * 13


@given(st.integers(0, 2**31), st.text(max_size=5), st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_a_seed_fits_every_generator(seed: int, purpose: str, step: int) -> None:
    import numpy as np

    value = stream_seed(seed, purpose, step)
    assert 0 <= value < 2**63
    np.random.default_rng(value)
