"""One call from maps to scores, or from shares of a split to its scores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wsol.errors import DataError, ParameterError
from wsol.files import read_json
from wsol.metrics.details import Details
from wsol.metrics.evaluate import Evaluator, freeze
from wsol.standalone.gather import Maps, Options, Share, gather, prepare
from wsol.standalone.parameters import deviations
from wsol.standalone.report import BEST, FIXED, FROZEN, POLICIES, Scores, with_suffix
from wsol.standalone.truth import Truth, read_truth

PathLike = str | os.PathLike[str]


def evaluate_maps(
    maps: Maps,
    *,
    metadata: PathLike | None = None,
    dataset: str | None = None,
    split: str | None = None,
    masks: PathLike | None = None,
    manifest: PathLike | None = None,
    tau: float | None = None,
    frozen_from: PathLike | None = None,
    resamples: int = 0,
    breakdown: bool = False,
    **options: Any,
) -> Scores:
    """Scores of maps against a split of the released metadata (folder `metadata`), or of a `manifest`.

    maps is a folder of `<image id>.npy`, a map store, an .npz file, or a mapping {image id: map (H, W)}; scores in
    [0, 1] at the frame's size, or raw maps with `normalise=True`. `tau` adds values at one fixed threshold,
    `frozen_from` (the JSON file of another split's scores) at that split's thresholds, `resamples` 95 % intervals,
    `breakdown` hits by class and by size of the object. `options` are the fields of `wsol.standalone.gather.Options`.
    Raises DataError, naming image and file, before any work where it can; and ParameterError.
    """
    truth = read_truth(metadata, dataset, split, manifest, masks)
    details = Details(resamples=resamples, breakdown=breakdown, fixed=tau)
    _check_policies(truth, tau, frozen_from)
    ready = prepare(maps, truth.manifest, Options(**options))
    other = None if frozen_from is None else _other_result(frozen_from, ready.parameters)
    return _conclude(gather(ready, keep_images=details.needs_images), truth, details, other)


def score_shard(
    maps: Maps,
    share: Share,
    prefix: PathLike,
    *,
    metadata: PathLike | None = None,
    dataset: str | None = None,
    split: str | None = None,
    masks: PathLike | None = None,
    manifest: PathLike | None = None,
    **options: Any,
) -> Path:
    """Score one share of a split and write what `merge_shards` needs to `<prefix>.state.npz`, whose path is returned.

    Arguments and errors are those of `evaluate_maps`; maps of other shares' images need not be there.
    """
    truth = read_truth(metadata, dataset, split, manifest, masks)
    path = with_suffix(prefix, ".state.npz")
    gather(prepare(maps, truth.manifest, Options(**options), share), keep_images=True).save(path)
    return path


def merge_shards(
    states: Sequence[PathLike],
    *,
    metadata: PathLike | None = None,
    dataset: str | None = None,
    split: str | None = None,
    masks: PathLike | None = None,
    manifest: PathLike | None = None,
    tau: float | None = None,
    frozen_from: PathLike | None = None,
    resamples: int = 0,
    breakdown: bool = False,
) -> Scores:
    """What `evaluate_maps` gives for the whole split, from the files of all its shares in any order.

    Raises DataError, naming file and image, unless every image is in exactly one file, scored the same way.
    """
    truth = read_truth(metadata, dataset, split, manifest, masks)
    details = Details(resamples=resamples, breakdown=breakdown, fixed=tau)
    _check_policies(truth, tau, frozen_from)
    parts = [Evaluator.load(Path(path)) for path in states]
    if not parts:
        raise ParameterError("no states to merge; give the files of all shares")
    _check_shares(parts, states, truth)
    whole, *others = parts
    for part, path in zip(others, states[1:], strict=True):
        try:
            whole.merge(part)
        except DataError as error:
            raise DataError(f"{path}: does not fit {states[0]}: {error}") from error
    other = None if frozen_from is None else _other_result(frozen_from, whole.parameters)
    return _conclude(whole, truth, details, other)


def _conclude(evaluator: Evaluator, truth: Truth, details: Details, other: Mapping[str, Any] | None) -> Scores:
    order = truth.manifest.image_ids
    drawn: dict[str, Any] = {"resamples": details.resamples, "seed": details.seed}
    result, images = evaluator.result(order, **drawn, breakdown=details.breakdown, fixed=details.fixed)
    if details.fixed is not None:
        result["fixed"]["threshold"] = details.fixed
    if other is not None:
        result["frozen"] = freeze(result, other)
        if details.resamples:
            frozen = evaluator.result(order, **drawn, fixed=result["frozen"]["thresholds"]).result
            result["intervals"]["frozen"] = frozen["intervals"]["fixed"]
    present = [BEST, *([FIXED] if "fixed" in result else []), *([FROZEN] if "frozen" in result else [])]
    assert evaluator.split.frame is not None
    document = {
        **result,
        "image_size": evaluator.split.frame[0],
        "threshold_policy": {policy: POLICIES[policy] for policy in present},
        "not_as_in_the_papers": deviations(evaluator.parameters),
        "ground_truth": truth.origin,
        "warnings": truth.warnings,
    }
    return Scores(document, images)


def _check_policies(truth: Truth, tau: float | None, frozen_from: PathLike | None) -> None:
    if truth.manifest.localisation == "masks" and (tau is not None or frozen_from is not None):
        raise ParameterError(
            "PxAP runs over all thresholds, so none can be fixed or frozen; leave tau and frozen_from out"
        )


def _other_result(path: PathLike, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Another split's scores, if they were made with the same parameters."""
    other = read_json(path)
    needed = ("dataset", "split", "parameters", "threshold_index", "thresholds")
    lacking = [key for key in needed if not isinstance(other, dict) or key not in other]
    if lacking:
        raise DataError(f"{path}: has no {lacking[0]}; give the JSON file that `wsol evaluate --out` wrote")
    if other["parameters"] != parameters:
        differing = sorted(
            name
            for name in other["parameters"].keys() | parameters
            if other["parameters"].get(name) != parameters.get(name)
        )
        raise DataError(
            f"{path}: was made with other parameters of {', '.join(differing)}, so its thresholds cannot be carried "
            "over; score both splits with the same options"
        )
    return other


def _check_shares(parts: Sequence[Evaluator], states: Sequence[PathLike], truth: Truth) -> None:
    known, owner = set(truth.manifest.image_ids), dict[str, PathLike]()
    for part, path in zip(parts, states, strict=True):
        for image in part.image_ids:
            if image not in known:
                raise DataError(f"{path}: holds image {image}, which is not in this split; name the right ground truth")
            if image in owner:
                raise DataError(f"{path}: holds image {image}, and so does {owner[image]}; give each share once")
            owner[image] = path
        if (part.split.dataset, part.split.split) != (truth.manifest.dataset, truth.manifest.split):
            raise DataError(
                f"{path}: is of {part.split.dataset} {part.split.split}, the ground truth of {truth.manifest.dataset} "
                f"{truth.manifest.split}; name the right one"
            )
    missing = [image for image in truth.manifest.image_ids if image not in owner]
    if missing:
        raise DataError(
            f"no share holds image {missing[0]} ({len(missing)} of {len(known)} images are missing); give the states "
            "of all shares"
        )
