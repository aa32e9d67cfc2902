"""A miniature of the released metadata with maps for it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 24


def write_boxes(root: Path, dataset: str = "CUB", split: str = "test", images: int = 10, seed: int = 0) -> list[str]:
    """`<root>/<dataset>/<split>` with one to three boxes an image of three classes; returns the ids."""
    rng = np.random.default_rng(seed)
    ids = [f"{index % 3:03d}.Class/{split}_{index}.jpg" for index in range(images)]
    sizes, boxes = [], []
    for name in ids:
        width, height = rng.integers(30, 90, 2)
        sizes.append(f"{name},{width},{height}")
        for _ in range(rng.integers(1, 4)):
            x, y = np.sort(rng.integers(0, width, 2)), np.sort(rng.integers(0, height, 2))
            boxes.append(f"{name},{x[0]},{y[0]},{x[1]},{y[1]}")
    _write(root / dataset / split, ids, sizes, boxes)
    return ids


def write_masks(root: Path, images: int = 6, seed: int = 0) -> tuple[list[str], Path]:
    """`<root>/OpenImages/test` without sizes, and the folder of its mask PNGs, with a third of the images ignoring."""
    rng = np.random.default_rng(seed)
    ids = [f"test/m{index % 2}/{index}.jpg" for index in range(images)]
    pictures, lines = root / "OpenImages-masks", []
    for index, name in enumerate(ids):
        stem = name.removesuffix(".jpg")
        for instance in range(rng.integers(1, 3)):
            ignored = f"{stem}_ignore.png" if instance == 0 and index % 3 == 0 else ""
            lines.append(f"{name},{stem}_{instance}.png,{ignored}")
            write_png(pictures / f"{stem}_{instance}.png", rng.random((40, 30)) > 0.7)
        write_png(pictures / f"{stem}_ignore.png", rng.random((20, 20)) > 0.8)
    _write(root / "OpenImages" / "test", ids, [], lines)
    return ids, pictures


def write_png(path: Path, mask: NDArray[np.bool_]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), mask.astype(np.uint8) * 255)


def score_maps(ids: list[str], seed: int = 1, size: int = SIZE) -> dict[str, NDArray[np.float64]]:
    """Smooth maps with values from 0 to 1."""
    rng = np.random.default_rng(seed)
    result = {}
    for name in ids:
        smooth = cv2.resize(rng.random((5, 5)), (size, size), interpolation=cv2.INTER_LINEAR)
        result[name] = (smooth - smooth.min()) / np.ptp(smooth)
    return result


def write_folder(folder: Path, maps: dict[str, NDArray[np.float64]]) -> Path:
    """Maps as the released code leaves them."""
    for name, array in maps.items():
        path = folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)
    return folder


def _write(folder: Path, ids: list[str], sizes: list[str], truth: list[str]) -> None:
    folder.mkdir(parents=True)
    labels = [f"{name},{index % 3}" for index, name in enumerate(ids)]
    files = {"image_ids": ids, "class_labels": labels, "image_sizes": sizes, "localization": truth}
    for name, lines in files.items():
        (folder / f"{name}.txt").write_text("\n".join(lines))
