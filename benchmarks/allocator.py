"""What the allocator's settings of a run's jobs (`wsol.runner.ALLOCATOR`) save a training step on the CPU, with glibc.

    python benchmarks/allocator.py                     # the slim backbones of scale demo and small, three minutes
    python benchmarks/allocator.py --rounds 9

Each round runs a process with the settings and one without, one after the other; quoted are medians of their ratios.
The weights after the steps must be the same bit for bit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

from wsol.runner import ALLOCATOR

BACKBONES = ("resnet50", "vgg16", "inceptionv3")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="timed in each process (20)")
    parser.add_argument("--child", choices=BACKBONES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(arguments.child, arguments.steps)))
        return 0
    same = [compare(backbone, arguments.rounds, arguments.steps) for backbone in BACKBONES]
    return 0 if all(same) else 1


def compare(backbone: str, rounds: int, steps: int) -> bool:
    pairs = [(run(backbone, steps, ""), run(backbone, steps, ALLOCATOR)) for _ in range(rounds)]
    usual, kept = (
        {name: statistics.median(done[name] for done in side) for name in ("ms", "faults")}
        for side in zip(*pairs, strict=True)
    )
    ratio = statistics.median(kept["ms"] / usual["ms"] for usual, kept in pairs)
    same = len({done["weights"] for pair in pairs for done in pair}) == 1
    print(f"{backbone}, ms and page faults of a step, medians of {rounds}:")
    print(f"    glibc's own settings  {usual['ms']:6.0f} {usual['faults']:8.0f}")
    print(f"    blocks kept           {kept['ms']:6.0f} {kept['faults']:8.0f}")
    print(f"    ratio {ratio:.2f}; weights {'the same' if same else 'DIFFER'}", flush=True)
    return same


def run(backbone: str, steps: int, tunables: str) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    if tunables:
        environment["GLIBC_TUNABLES"] = tunables
    command = [sys.executable, __file__, "--child", backbone, "--steps", str(steps)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(backbone: str, steps: int) -> dict[str, Any]:
    """Median ms and mean page faults of a step with 16 images of 96 px on one thread, and a digest of the weights."""
    import torch

    from wsol.models.registry import build
    from wsol.training.sgd import SGD

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layout = torch.channels_last
    network = build(backbone, "cam", 10, width=0.125, map_stride=8).to(memory_format=layout)
    optimiser = SGD(network.parameters(), lr=0.001, momentum=0.9, nesterov=True)
    images = torch.randn(16, 3, 96, 96).contiguous(memory_format=layout)
    labels = torch.randint(0, 10, (16,))
    seconds = []
    for step in range(3 + steps):
        if step == 3:  # what the first steps reserve, later ones use again
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        begin = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimiser.step()
        seconds.append(time.perf_counter() - begin)
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / steps
    digest = hashlib.sha256()
    for value in network.state_dict().values():
        digest.update(value.contiguous().numpy().tobytes())
    return {"ms": 1000 * statistics.median(seconds[3:]), "faults": faults, "weights": digest.hexdigest()}


if __name__ == "__main__":
    sys.exit(main())
