"""Independent random streams named by what they are for, so that a resumed run draws what an unbroken one would."""

from __future__ import annotations

import hashlib


def stream_seed(seed: int, *purpose: object) -> int:
    """A 63-bit seed for (seed, purpose): streams of different purposes share nothing, in any process."""
    text = "/".join(str(part) for part in (seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
