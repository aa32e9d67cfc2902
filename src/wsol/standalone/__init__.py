"""Scores of maps that any code has written, against the released ground truth: the evaluator by itself.

`evaluate_maps` is what `wsol evaluate` runs; docs/evaluate.md describes both.
"""

from __future__ import annotations

from wsol.standalone.api import evaluate_maps, merge_shards, score_shard
from wsol.standalone.gather import Share
from wsol.standalone.report import Scores

__all__ = ["Scores", "Share", "evaluate_maps", "merge_shards", "score_shard"]
