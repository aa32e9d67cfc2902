"""Score somebody's maps against boxes or masks: the drop-in for the released evaluation script."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from wsol.cli.common import add_device
from wsol.cli.entry import enter
from wsol.errors import ParameterError
from wsol.metrics.levels import Contours, Corners

if TYPE_CHECKING:
    from wsol.standalone import Share

MADE_ALREADY = ("size", "normalise", "predictions", "ignore_extra", "thresholds", "contours", "corners")
ASKED_LATER = ("tau", "frozen_from", "resamples", "breakdown")
"""Options of how maps are scored, for shards; and of what the result says, for merging them."""


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="wsol evaluate",
        description=__doc__,
        epilog="Maps are called <image id>.npy, are float32 or float64 in [0, 1] and have the frame's size; "
        "docs/evaluate.md says more.",
    )
    given = result.add_argument_group("what is scored")
    maps = given.add_mutually_exclusive_group(required=True)
    maps.add_argument("--maps", type=Path, help="folder of .npy files, map store (.safetensors), or .npz file")
    maps.add_argument("--merge", type=Path, nargs="+", metavar="STATE", help="states of all shards, in any order")
    given.add_argument("--normalise", action="store_true", help="raw maps of any size: upsample, then min-max each")
    given.add_argument("--size", type=int, help="side of the scored frame in pixels (default: the store's, or 224)")
    given.add_argument("--predictions", type=Path, metavar="CSV", help="image_id,class,class,… best first: top-k")
    given.add_argument("--ignore-extra", action="store_true", help="leave out maps of images that are not in the split")

    truth = result.add_argument_group("ground truth")
    truth.add_argument("--metadata", type=Path, metavar="DIR", help="released metadata, DIR/<dataset>/<split>/*.txt")
    truth.add_argument("--dataset", help="CUB, ILSVRC, OpenImages, or any other folder of DIR")
    truth.add_argument("--split", help="train, val or test")
    truth.add_argument("--masks", type=Path, metavar="DIR", help="folder or archive of the mask PNGs (OpenImages)")
    truth.add_argument("--manifest", type=Path, metavar="FILE", help="a manifest (parquet) instead of the metadata")

    rules = result.add_argument_group("metric; the papers' unless said otherwise")
    rules.add_argument("--thresholds", type=_thresholds, metavar="T", help="how many (1000), or a list as 0.1,0.2")
    rules.add_argument("--contours", choices=get_args(Contours), help="which propose boxes in MaxBoxAccV2 (all)")
    rules.add_argument("--corners", choices=get_args(Corners), help="where boxes end (exclusive)")
    rules.add_argument("--tau", type=float, help="a fixed threshold, beside the best one")
    rules.add_argument("--frozen-from", type=Path, metavar="JSON", help="take thresholds from another split's result")
    rules.add_argument("--resamples", type=int, default=0, metavar="N", help="bootstrap 95 %% intervals of N resamples")
    rules.add_argument("--breakdown", action="store_true", help="values by size of the object, and by class (JSON)")

    work = result.add_argument_group("work and results")
    work.add_argument("--out", type=Path, metavar="PREFIX", help="write PREFIX.json, .csv, .curves.csv, .png, .pdf")
    work.add_argument("--shard", type=_share, metavar="K/N", help="score the K-th of N shares into PREFIX.state.npz")
    work.add_argument("--threads", type=int, default=1)
    add_device(work)  # type: ignore[arg-type]  # a group takes arguments as a parser does
    work.add_argument("--quiet", action="store_true", help="no progress")
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    if arguments.merge is not None:
        _refuse(arguments, (*MADE_ALREADY, "shard"), "--merge: the states say how maps were scored")
    if arguments.shard is not None:
        _refuse(arguments, ASKED_LATER, "--shard: a share has no values of its own, ask for them with --merge")
    if arguments.shard is not None and arguments.out is None:
        raise ParameterError("--shard: name where the state goes with --out PREFIX")

    from wsol.standalone import evaluate_maps, merge_shards, score_shard

    given = vars(arguments)
    truth = {key: given[key] for key in ("metadata", "dataset", "split", "masks", "manifest")}
    policies = {key: given[key] for key in ASKED_LATER}
    options = {key: given[key] for key in (*MADE_ALREADY, "threads", "device")} | {"progress": not arguments.quiet}
    if arguments.shard is not None:
        print(f"wrote {score_shard(arguments.maps, arguments.shard, arguments.out, **truth, **options)}")
        return 0
    if arguments.merge is not None:
        scores = merge_shards(arguments.merge, **truth, **policies)
    else:
        scores = evaluate_maps(arguments.maps, **truth, **policies, **options)
    for warning in scores.document["warnings"]:
        print(f"wsol: warning: {warning}", file=sys.stderr)
    print(scores)
    if arguments.out is not None:
        print("\nwrote " + ", ".join(map(str, scores.write(arguments.out))))
    return 0


def _refuse(arguments: argparse.Namespace, options: Sequence[str], why: str) -> None:
    for name in options:
        if getattr(arguments, name) != parser().get_default(name):
            raise ParameterError(f"{why}; leave --{name.replace('_', '-')} out")


def _share(text: str) -> Share:
    from wsol.standalone import Share

    index, slash, count = text.partition("/")
    if not (slash and index.isdigit() and count.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not K/N, such as 2/8")
    return Share(int(index), int(count))


def _thresholds(text: str) -> int | list[float]:
    """`1000`, their number, or `0.1,0.2`, the list."""
    try:
        return int(text) if text.isdigit() else [float(value) for value in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor a list such as 0.1,0.2") from None


if __name__ == "__main__":
    enter(main)
