"""Time every way to make a map of one image on one backbone, and count the network's parameters."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol.cli.common import add_device, environment_input
from wsol.cli.entry import enter
from wsol.config.roots import timing_roots
from wsol.files import read_json, write_json
from wsol.progress import ProgressFile
from wsol.provenance.job import Job


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol time_maps", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the timing (JSON)")
    result.add_argument("--out", type=Path, required=True, help="times in seconds and counts (JSON)")
    add_device(result)
    result.add_argument("--threads", type=int, default=1, help="of the network; other work would be timed along")
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    settings = read_json(arguments.settings)

    import torch

    from wsol.device import choose_device
    from wsol.doctor import hardware
    from wsol.timing.maps import time_maps

    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    scale, backbone = settings["scale"], settings["network"]["backbone"]
    with Job(
        layer="timing",
        cell={"scale": scale, "backbone": backbone},
        sidecar=arguments.sidecar,
        inputs={"settings": arguments.settings, "environment": environment_input(arguments.settings)},
        code_roots=timing_roots(scale, backbone),
        parameters=settings,
        device=device,
        threads=arguments.threads,
    ) as job:
        found = time_maps(settings, device, ProgressFile(f"timing/{scale}/{backbone}"))
        machine = hardware()
        found |= {
            "image_size": settings["image_size"],
            "width": settings["network"]["width"],
            "device": device,
            "hardware": torch.cuda.get_device_name() if device == "cuda" else machine["cpu"],
            "threads": arguments.threads,
        }
        write_json(job.output_path(arguments.out), found)
        for label, row in found["rows"].items():
            times = sorted(row["seconds"])
            said = f"{1000 * times[len(times) // 2]:.2f} ms" if times else f"about {row['estimate']:.0f} s, not run"
            print(f"  {label}: {said}")
        print(f"wrote {arguments.out}: {len(found['rows'])} ways on {found['hardware']}")
    return 0


if __name__ == "__main__":
    enter(main)
