"""Top-k classification accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsol.errors import DataError, ParameterError
from wsol.metrics.blocks import Block, MetricResult, Split, check_keys


def topk_correct(predictions: ArrayLike, labels: ArrayLike, k: int) -> NDArray[np.bool_]:
    """(N,) whether the true class is among the first k of the predictions (N, >= k), best class first.

    Raises DataError; with fewer than k classes fill the predictions with -1.
    """
    ranked, truth = np.asarray(predictions), np.asarray(labels)
    if ranked.ndim != 2 or ranked.shape[1] < k:
        raise DataError(f"predictions have shape {ranked.shape}; top-{k} needs (N, {k}) or more, best class first")
    if truth.shape != ranked.shape[:1]:
        raise DataError(f"predictions for {len(ranked)} images but labels of shape {truth.shape}; give one an image")
    return (ranked[:, :k] == truth[:, None]).any(axis=1)


def check_ranks(ranks: Sequence[int], where: str) -> list[int]:
    """The k of top-k as positive integers in increasing order; raises ParameterError."""
    valid = all(isinstance(k, int) and not isinstance(k, bool) and k >= 1 for k in ranks)
    if not ranks or not valid or list(ranks) != sorted(set(ranks)):
        raise ParameterError(f"{where}: {ranks} is not an increasing list of positive integers, such as 1, 5")
    return list(ranks)


class Metric:
    """`classification` in the score job: Top1Cls and Top5Cls, in percent."""

    needs: ClassVar[tuple[str, ...]] = ("predictions",)

    def __init__(self, parameters: Mapping[str, Any], split: Split) -> None:
        check_keys("classification", parameters, ("top",))
        self._correct: dict[int, list[NDArray[np.bool_]]] = {
            k: [] for k in check_ranks(parameters["top"], "metric parameters classification.top")
        }

    def add(self, block: Block) -> None:
        assert block.predictions is not None
        for k, correct in self._correct.items():
            correct.append(topk_correct(block.predictions, block.labels, k))

    def result(self) -> MetricResult:
        result = MetricResult()
        for k, blocks in self._correct.items():
            result.add_share(f"Top{k}Cls", np.concatenate(blocks))
        return result

    def keep_images(self) -> None:
        """Every image's outcomes are kept anyway."""

    def merge(self, others: Sequence[Metric]) -> None:
        for other in others:
            for k, correct in self._correct.items():
                correct.extend(other._correct[k])

    def state(self) -> dict[str, NDArray[Any]]:
        none = np.empty(0, dtype=bool)
        return {f"top{k}": np.concatenate([none, *correct]) for k, correct in self._correct.items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        for k, correct in self._correct.items():
            correct.append(state[f"top{k}"])
