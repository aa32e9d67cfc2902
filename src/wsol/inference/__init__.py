"""Many forward passes of one classifier on a CPU: a copy made for them, and threads that run them side by side."""

from wsol.inference.copies import for_many_passes
from wsol.inference.side_by_side import side_by_side

__all__ = ["for_many_passes", "side_by_side"]
