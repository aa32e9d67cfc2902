"""How fast the localisation metrics are: released algorithm, cached oracle, CPU engine and GPU engine, in one run.

    python benchmarks/metrics.py                       # every kind of map, and a split of 50,000 stored maps: ~10 min
    python benchmarks/metrics.py --quick               # a minute: fewer and smaller; its figures are not for quoting
    python benchmarks/metrics.py --kinds smooth --out figures.csv

Before anything is timed, all results are compared with each other; a difference ends the run. Times are medians. One
thread is compared by CPU time, which other work on the machine disturbs least; two threads and a GPU by the clock. All
methods of a kind are timed on the same maps. Ends with 1 where a target is not met.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from released import released_edges, released_hits, released_pixel_counts
from timing import Often, Report, Timing, measure, row, verdict
from wsol.metrics.boxes import checked_best_iou, hits_of
from wsol.metrics.curves import HitCurves
from wsol.metrics.engine import best_iou, cuda
from wsol.metrics.levels import Contours, threshold_grid
from wsol.metrics.masks import PixelHistograms
from wsol.testing.map_kinds import ADVERSARIAL, KINDS, adversarial_maps, kind_maps, raw_maps
from wsol.testing.parity import first_difference, oracle_best_iou

BOTH: tuple[Contours, ...] = ("all", "largest")
THRESHOLDS = threshold_grid(1000)
IOU = np.array([0.3, 0.5, 0.7])
HALF = np.array([0.5])
RELEASED_MAPS = {"gradlike": 2, "white56": 2, "white224": 1}
SPEEDUPS = {"smooth": 100.0, "smooth_cubic": 100.0, "cam_noisy28": 60.0}
END_TO_END_SECONDS, GPU_MAPS_A_SECOND, PXAP_SPEEDUP, PAPER_SPLIT = 180.0, 200_000.0, 2.0, 50_000
FULL = {"maps": 64, "size": 224, "repeats": 7, "seconds": 20.0, "stored": PAPER_SPLIT, "gpu_maps": 8192}
QUICK = {"maps": 8, "size": 112, "repeats": 2, "seconds": 1.0, "stored": 1000, "gpu_maps": 512}
AVX512 = "X86_V4 AVX512_SKX AVX512_ICL AVX512_SPR"
"""NumPy's names, old and new, of its code for AVX-512; those that it does not know are only warned of."""
RELEASED, ORACLE, ENGINE = "released algorithm", "cached oracle", "CPU engine"

Boxes = list[NDArray[np.float64]]


def main() -> int:
    options = parser().parse_args()
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.often = Often(options.repeats, options.seconds)
    for kind in options.kinds:
        if kind not in KINDS:
            raise SystemExit(f"kind {kind!r} is not known; choose among {', '.join(KINDS)}")
    if options.only_released_pixels:
        made = {kind: partial(released_pixels, *pixel_inputs(kind, options)) for kind in options.kinds}
        print(json.dumps({kind: measure(work, options.often).__dict__ for kind, work in made.items()}))
        return 0
    describe_machine(options)
    report = Report()
    box_metrics(report, options)
    small_maps(report, options)
    pixel_metric(report, options)
    end_to_end(report, options)
    if cuda.available():
        on_gpu(report, options)
    else:
        print("\nGPU engine: not measured on a GPU (no CuPy, or no device)")
    return report.finish(options.out)


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--quick", action="store_true", help="small and few: does it run, and roughly how fast?")
    result.add_argument("--maps", type=int, help="maps of each kind (64)")
    result.add_argument("--size", type=int, help="side of the scored frame in pixels (224)")
    result.add_argument("--kinds", nargs="+", default=list(KINDS), help="kinds of maps (all)")
    result.add_argument("--repeats", type=int, help="repeats to take the median of (7)")
    result.add_argument("--seconds", type=float, help="after this, no more repeats of one thing (20)")
    result.add_argument("--stored", type=int, help="maps of the end-to-end split (50000)")
    result.add_argument("--gpu-maps", type=int, help="maps in the memory of a GPU (8192)")
    result.add_argument("--out", type=Path, help="CSV file for the figures")
    result.add_argument("--only-released-pixels", action="store_true", help=argparse.SUPPRESS)
    return result


def describe_machine(options: argparse.Namespace) -> None:
    import cv2
    import numba

    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores{load}; {platform.system()}, Python {platform.python_version()}"
    )
    print(f"OpenCV {cv2.__version__}, NumPy {np.__version__}, Numba {numba.__version__}")
    large = np.ones((16 if options.quick else 256) * 2**20 // 8)
    into = np.empty_like(large)
    copy, read = measure(partial(np.copyto, into, large), options.often), measure(large.max, options.often)
    map_bytes = 8 * options.size**2
    copied, seen = 2e-9 * large.nbytes / copy.wall, 1e-9 * large.nbytes / read.wall
    print(f"memory: copying moves {copied:.1f} GB/s, reading {seen:.1f} GB/s; a float64 map has {map_bytes} bytes,")
    print(f"so the floor, to read a map once, is {1e-6 * map_bytes / seen:.4f} ms")


def some_boxes(n: int, size: int) -> Boxes:
    """One box an image, anywhere in the frame."""
    random = np.random.default_rng(1)
    corners = random.integers(0, size, (n, 2, 2))
    return [np.concatenate([c.min(0), c.max(0)]).astype(np.float64)[None] for c in corners]


def both_metrics(score_maps: NDArray[Any], boxes: Boxes, threads: int) -> tuple[HitCurves, HitCurves]:
    """From score maps to the counters of MaxBoxAccV2 and MaxBoxAcc, checks included: what a user waits for."""
    best = checked_best_iou(score_maps, boxes, BOTH, threads=threads)
    every, largest = HitCurves(len(IOU), THRESHOLDS), HitCurves(1, THRESHOLDS)
    every.add(hits_of(best.values[0], IOU), best.maximum)
    largest.add(hits_of(best.values[1], HALF), best.maximum)
    return every, largest


def released_both(score_maps: NDArray[Any], boxes: Boxes) -> list[NDArray[np.int64]]:
    """[MaxBoxAccV2, MaxBoxAcc] counts (D, T) of the released algorithm, each in a pass of its own."""
    totals = [np.zeros((len(IOU), len(THRESHOLDS)), np.int64), np.zeros((1, len(THRESHOLDS)), np.int64)]
    for score_map, truth in zip(score_maps, boxes, strict=True):
        totals[0] += released_hits(score_map, truth, THRESHOLDS, (30, 50, 70), multi_contour=True)
        totals[1] += released_hits(score_map, truth, THRESHOLDS, (50,), multi_contour=False)
    return totals


def require_equal(kind: str, score_maps: NDArray[Any], boxes: Boxes, few: int) -> None:
    """Ends the run unless every method gives the same; `few` maps for those that take long."""
    difference = first_difference(best_iou, score_maps[:few], boxes[:few], BOTH)
    one, two = (best_iou(score_maps, boxes, BOTH, threads=threads) for threads in (1, 2))
    if not difference and not (np.array_equal(one.values, two.values) and np.array_equal(one.maximum, two.maximum)):
        difference = "one and two threads differ"
    if not difference:
        counts = [curves.counts for curves in both_metrics(score_maps[:few], boxes[:few], 1)]
        if not all(map(np.array_equal, counts, released_both(score_maps[:few], boxes[:few]))):
            difference = "hits differ from those of the released algorithm"
    if difference:
        raise SystemExit(f"{kind}: nothing was timed, since results differ: {difference}")


def box_metrics(report: Report, options: argparse.Namespace) -> None:
    section = "boxes"
    report.section(
        f"MaxBoxAcc and MaxBoxAccV2, {options.size} x {options.size} px, 1000 thresholds; ms and ratio a map"
    )
    for kind in options.kinds:
        score_maps, boxes = kind_maps(kind, options.maps, options.size), some_boxes(options.maps, options.size)
        few = min(options.maps, RELEASED_MAPS.get(kind, 4 if options.quick else 8))
        require_equal(kind, score_maps, boxes, few)
        some, truth = score_maps[:few], boxes[:few]
        slow = measure(partial(released_both, some, truth), options.often)
        oracle = measure(partial(oracle_best_iou, some, truth, BOTH), options.often)
        alone = measure(partial(best_iou, some, truth, BOTH), options.often)
        one = measure(partial(both_metrics, some, truth, 1), options.often)
        many = [measure(partial(both_metrics, score_maps, boxes, threads), options.often) for threads in (1, 2)]
        target = SPEEDUPS.get(kind, 1.0)
        report.add(row(section, kind, RELEASED, 1, few, slow, 1.0))
        report.add(row(section, kind, ORACLE, 1, few, oracle, slow.cpu / oracle.cpu))
        report.add(row(section, kind, f"{ENGINE}, IoU alone", 1, few, alone, slow.cpu / alone.cpu))
        report.add(row(section, kind, f"{ENGINE}, to the counters", 1, few, one, slow.cpu / one.cpu, target))
        report.add(row(section, kind, f"{ENGINE}, against the oracle", 1, few, one, oracle.cpu / one.cpu, 1.0))
        for threads, timing in zip((1, 2), many, strict=True):
            ratio = (slow.wall / few) / (timing.wall / options.maps)
            report.add(row(section, kind, f"{ENGINE}, all maps, by the clock", threads, options.maps, timing, ratio))


def small_maps(report: Report, options: argparse.Namespace) -> None:
    section, side = "odd maps", 24 if options.quick else 64
    report.section(f"Odd maps of {side} x {side} px against the cached oracle; the last, one map of 8 x 8 px a call")
    for kind in (*ADVERSARIAL, "one a call"):
        made = adversarial_maps("few_levels", 1, 8) if kind == "one a call" else adversarial_maps(kind, 16, side)
        boxes = [np.array([[0.0, 0, made.shape[2] // 2, made.shape[1] // 2]])] * len(made)
        difference = first_difference(best_iou, made, boxes, BOTH)
        if difference:
            raise SystemExit(f"{kind}: nothing was timed, since results differ: {difference}")
        oracle = measure(partial(oracle_best_iou, made, boxes, BOTH), options.often)
        engine = measure(partial(best_iou, made, boxes, BOTH), options.often)
        report.add(row(section, kind, ENGINE, 1, len(made), engine, oracle.cpu / engine.cpu, 1.0))


def pixel_inputs(kind: str, options: argparse.Namespace) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Score maps (n, H, W), and masks of an object with one pixel in fifty ignored."""
    masks = (kind_maps("smooth", options.maps, options.size, seed=1) > 0.5).astype(np.uint8)
    masks[np.random.default_rng(0).random(masks.shape) < 0.02] = 255
    return kind_maps(kind, options.maps, options.size), masks


def released_pixels(score_maps: NDArray[np.float64], masks: NDArray[np.uint8]) -> NDArray[np.int64]:
    edges = released_edges(THRESHOLDS)
    return np.sum([released_pixel_counts(m, b, edges) for m, b in zip(score_maps, masks, strict=True)], axis=0)


def our_pixels(score_maps: NDArray[np.float64], masks: NDArray[np.uint8], threads: int) -> PixelHistograms:
    histograms = PixelHistograms(1000, threads=threads)
    histograms.add(score_maps, masks)
    return histograms


def without_avx512(options: argparse.Namespace) -> dict[str, Timing]:
    """`released_pixels` of each kind in a process whose NumPy does not sort with AVX-512; empty where it cannot."""
    wanted = {name: getattr(options, name) for name in ("maps", "size", "repeats", "seconds")}
    command = [sys.executable, __file__, "--only-released-pixels", "--kinds", *options.kinds]
    command += [part for name, value in wanted.items() for part in (f"--{name}", str(value))]
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": AVX512}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    return {kind: Timing(**one) for kind, one in json.loads(done.stdout).items()} if done.returncode == 0 else {}


def pixel_metric(report: Report, options: argparse.Namespace) -> None:
    """Ratios are to the faster of two baselines: on some CPUs NumPy's AVX-512 sort takes several times as long."""
    section = "PxAP"
    report.section("PxAP: counting a map's pixels, 1000 thresholds; ms and ratio a map, to the faster histogram")
    elsewhere = without_avx512(options)
    for kind in options.kinds:
        inputs = pixel_inputs(kind, options)
        expected = released_pixels(*inputs)[:, : len(THRESHOLDS) + 1]
        if not all(np.array_equal(our_pixels(*inputs, threads).counts, expected) for threads in (1, 2)):
            raise SystemExit(f"{kind}: nothing was timed, since pixel counts differ from the released histograms")
        slow = {"numpy.histogram, as installed": measure(partial(released_pixels, *inputs), options.often)}
        if kind in elsewhere:
            slow["numpy.histogram, AVX-512 off"] = elsewhere[kind]
        cpu, wall = min(timing.cpu for timing in slow.values()), min(timing.wall for timing in slow.values())
        one, two = (measure(partial(our_pixels, *inputs, threads), options.often) for threads in (1, 2))
        for method, timing in slow.items():
            report.add(row(section, kind, method, 1, options.maps, timing, cpu / timing.cpu))
        report.add(row(section, kind, ENGINE, 1, options.maps, one, cpu / one.cpu, PXAP_SPEEDUP))
        report.add(row(section, kind, f"{ENGINE}, by the clock", 2, options.maps, two, wall / two.wall))
    if not elsewhere:
        print("numpy.histogram without AVX-512: not measured (this NumPy cannot be told to leave it out)")


def end_to_end(report: Report, options: argparse.Namespace, device: str = "cpu") -> None:
    """A split of stored 28 x 28 maps, noisy ones: read, upsampled and scored as `wsol score` does."""
    from wsol.attribution.store import write_maps
    from wsol.data.manifest import Manifest
    from wsol.data.manifest import Row as Image

    count, side = options.stored, 28
    different = min(count, 4096)
    report.section(f"End to end: {count} stored {side} x {side} maps ({different} different) to both metrics")
    raw = raw_maps("cam_noisy28", different).astype(np.float32)[np.arange(count) % different]
    boxes = some_boxes(count, options.size)
    frame = (options.size, options.size)
    images = [Image(f"{i}", 0, "a", *frame, f"{i}.png", boxes=boxes[i]) for i in range(count)]
    manifest = Manifest.from_rows("benchmark", "test", "raw:none", 1, "boxes", images)
    parameters = yaml.safe_load((Path(__file__).parents[1] / "params/metrics/boxes.yaml").read_text())["parameters"]
    with tempfile.TemporaryDirectory(prefix="wsol-benchmark-") as folder:
        path, small = Path(folder) / "maps.safetensors", Path(folder) / "few.safetensors"
        few = min(count, 4)
        write_maps(path, raw, manifest.image_ids, None, size=options.size)
        write_maps(small, raw[:few], manifest.image_ids[:few], None, size=options.size)
        found = score_store(small, manifest.subset(range(few)), parameters, options.size, device)
        maps = kind_maps_of(raw[:few], options.size)
        best = [100 * total.max(axis=1) / few for total in released_both(maps, boxes[:few])]
        if not np.allclose(
            [found["MaxBoxAccV2"], found["MaxBoxAcc"]], [best[0].mean(), best[1][0]], rtol=1e-12, atol=0
        ):
            raise SystemExit("end to end: nothing was timed, since scores differ from the released algorithm's")
        begin, cpu = time.perf_counter(), time.process_time()
        score_store(path, manifest, parameters, options.size, device)
        timing = Timing(time.perf_counter() - begin, time.process_time() - cpu, 1)
    met = verdict(timing.wall <= END_TO_END_SECONDS) if count >= PAPER_SPLIT else f"not asked of {count} maps"
    threads: int | str = 2 if device == "cpu" else "GPU"
    method = f"read, upsample, score: {timing.wall:.1f} s"
    made = row("end to end", "cam_noisy28", method, threads, count, timing)
    target = f"<= {END_TO_END_SECONDS:g} s for {PAPER_SPLIT} maps"
    report.add(replace(made, target=target, met=met))
    print(f"peak memory of this process: {peak_memory():.2f} GB, with the stored maps and the benchmark's own")


def kind_maps_of(raw: NDArray[Any], size: int) -> NDArray[np.float64]:
    from wsol.attribution.postprocess import score_maps

    return score_maps(raw, size)


def score_store(path: Path, manifest: Any, parameters: dict[str, Any], size: int, device: str) -> dict[str, float]:
    from wsol.attribution.store import read_maps
    from wsol.metrics.blocks import Split
    from wsol.metrics.evaluate import evaluate
    from wsol.scoring import GroundTruth, score_blocks

    store = read_maps(path)
    blocks = score_blocks(store.block, None, GroundTruth(manifest), size, threads=2, device=device)
    split = Split(manifest.dataset, manifest.split, manifest.num_classes)
    return evaluate(["boxes"], {"boxes": parameters}, blocks, split).result["values"]


def peak_memory() -> float:
    """GB; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def on_gpu(report: Report, options: argparse.Namespace) -> None:
    import cupy

    def engine(maps: Any, boxes: Sequence[Any], contours: Sequence[Contours], corners: Any) -> tuple[Any, Any]:
        return cuda.best_iou(cupy.asarray(maps), boxes, contours, corners)

    synchronise = cupy.cuda.Device().synchronize
    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    report.section(f"GPU engine on {name}: float32 score maps in device memory to best IoU on the host")
    edges = np.append(THRESHOLDS, 1.0)
    for kind in options.kinds:
        made = kind_maps(kind, options.maps, options.size).astype(np.float32)
        boxes = some_boxes(options.maps, options.size)
        few = min(options.maps, RELEASED_MAPS.get(kind, 8))
        difference = first_difference(engine, made[:few], boxes[:few], BOTH)
        if difference:
            raise SystemExit(f"{kind} on the GPU: nothing was timed, since results differ: {difference}")
        count = options.gpu_maps
        index = np.arange(count) % options.maps
        maps, truth = cupy.asarray(made)[cupy.asarray(index)], [boxes[i] for i in index]
        timing = measure(partial(cuda.best_iou, maps, truth, BOTH, "exclusive"), options.often, synchronise)
        rate = count / timing.wall
        target = f">= {GPU_MAPS_A_SECOND:g} maps/s" if kind == "smooth" else ""
        measured = row("GPU", kind, f"GPU engine: {rate:.0f} maps/s", "GPU", count, timing)
        report.add(replace(measured, target=target, met=verdict(rate >= GPU_MAPS_A_SECOND) if target else ""))
        labels = (maps > 0.5).astype(cupy.uint8)
        here = PixelHistograms(1000)
        here.add(made[:few], labels[:few].get())
        if not np.array_equal(cuda.pixel_histograms(maps[:few], labels[:few], edges)[:, 1:], here.counts):
            raise SystemExit(f"{kind} on the GPU: nothing was timed, since pixel counts differ")
        timing = measure(partial(cuda.pixel_histograms, maps, labels, edges), options.often, synchronise)
        report.add(row("GPU", kind, f"PxAP counts: {count / timing.wall:.0f} maps/s", "GPU", count, timing))
        del maps, labels
    end_to_end(report, options, device="cuda")


if __name__ == "__main__":
    sys.exit(main())
