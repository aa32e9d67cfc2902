"""What this machine and this checkout have: packages, device, data sets, disk. Everything here only looks."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from wsol.files import sha256_file

PACKAGES = ("wsol", "torch", "torchvision", "numpy", "opencv-python-headless", "cupy", "snakemake", "dvc", "mlflow")
HASH_BUDGET = 300 * 2**20
"""Bytes that a quick look hashes, about a second; larger data is hashed where the user asks for it."""

_CUPY_WHEELS = ("cupy", "cupy-cuda13x", "cupy-cuda12x")
_TORCH_PROBE = """
import json, torch
cuda = torch.cuda.is_available()
names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())] if cuda else []
print(json.dumps({"cuda_build": torch.version.cuda, "cuda_available": cuda, "cuda_devices": names}))
"""


class TorchProbe:
    """Imports torch in another process, so that the rest goes on meanwhile and a crash of it is a finding."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", _TORCH_PROBE]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self, timeout: float = 120.0) -> dict[str, Any]:
        """cuda_build (str or None), cuda_available, cuda_devices; or error, the last line of what went wrong."""
        try:
            out, err = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return {"error": f"importing torch took more than {timeout:.0f} s"}
        if self._process.returncode:
            return {"error": (err.strip().splitlines() or [f"exit code {self._process.returncode}"])[-1]}
        return json.loads(out.strip().splitlines()[-1])


def versions() -> dict[str, str | None]:
    """Python and the packages that numbers depend on; None for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        wheels = _CUPY_WHEELS if name == "cupy" else (name,)
        found[name] = next((version for wheel in wheels if (version := _version(wheel))), None)
    return found


def unmet_requirements() -> list[str]:
    """Requirements of wsol, and torchvision's on torch, that the installed packages do not meet, in words."""
    from packaging.requirements import Requirement

    unmet = []
    for owner, only in (("wsol", None), ("torchvision", "torch")):
        for line in metadata.requires(owner) or [] if _version(owner) else []:
            requirement = Requirement(line)
            if (only and requirement.name != only) or (requirement.marker and not requirement.marker.evaluate()):
                continue
            version = _version(requirement.name)
            if version is None:
                unmet.append(f"{requirement.name} is not installed ({owner} needs {requirement})")
            elif not requirement.specifier.contains(version, prereleases=True):
                unmet.append(f"{requirement.name} is {version}, {owner} needs {requirement}")
    return unmet


def hardware() -> dict[str, Any]:
    """CPU model, cores and memory (GiB) that this process may use, and the names of NVIDIA GPUs of the machine."""
    return {"cpu": _cpu_model(), "cores": len(os.sched_getaffinity(0)), "memory_gib": _memory_gib(), "gpus": _gpus()}


def disk_free_gib(folder: Path) -> float:
    existing = next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
    return round(shutil.disk_usage(existing).free / 2**30, 1)


def data_sets(
    specifications: Sequence[Mapping[str, Any]], root: Path, budget: int = HASH_BUDGET
) -> list[dict[str, Any]]:
    """Presence and integrity of each data set under `root`; hashes files while they fit in `budget` bytes.

    `status` is one of: rendered (synthetic, nothing to get), verified (the files with a recorded hash have it), present
    (not verified: no hash on record, or too big for a quick look), labels only (no images), absent, damaged
    (a hash differs, or a recorded label file is missing). `detail` says more.
    """
    left = budget
    found = []
    for specification in specifications:
        status, detail, used = _inspect(specification, root, left)
        left -= used
        found.append(
            {
                "name": str(specification.get("name", "?")),
                "title": str(specification.get("title", "")),
                "status": status,
                "detail": detail,
                "obtain": " ".join(str(specification.get("obtain") or "").split()),
            }
        )
    return found


def _inspect(specification: Mapping[str, Any], root: Path, budget: int) -> tuple[str, str, int]:
    source = specification.get("source") or {}
    if source.get("kind") == "synthetic":
        return "rendered", "made by the workflow", 0
    images = next((path for path in source.get("paths") or [] if (root / path).exists()), None)
    labels = str(source.get("metadata") or "")
    has_labels = labels != "" and (root / labels).is_dir()
    if images is None and not has_labels:
        return "absent", f"none of {', '.join(source.get('paths') or ['?'])} in {root}", 0
    concerned = {
        path: str(digest)
        for path, digest in {
            **(specification.get("sha256_prefix") or {}),
            **(specification.get("sha256") or {}),
        }.items()
        if path == images or (has_labels and Path(path).is_relative_to(labels))
    }
    missing = [path for path in concerned if not (root / path).is_file()]
    if missing:
        return "damaged", f"{root / missing[0]} is missing", 0
    sizes = {path: (root / path).stat().st_size for path in concerned}
    where = images or f"{labels} (images: {', '.join(source.get('paths') or [])} not there)"
    if sum(sizes.values()) > budget:
        return _kind(images, "present"), f"{where}; not verified, big: `wsol doctor --verify` takes its time", 0
    for path, digest in concerned.items():
        if not digest or not sha256_file(root / path).startswith(digest):
            return "damaged", f"{root / path} has another SHA-256 than recorded: get it again", sum(sizes.values())
    if not concerned:
        return _kind(images, "present"), f"{where}; no hash on record for it", 0
    return _kind(images, "verified"), f"{where}; SHA-256 as recorded", sum(sizes.values())


def _kind(images: str | None, status: str) -> str:
    return status if images else "labels only"


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # a container may have less than the machine
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return round(total / 2**30, 1)


def _gpus() -> list[str]:
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
