"""What every rule uses: the checked configuration, the path grammar, resolved settings and code as input files.

Needs: params/, src/wsol. Makes: nothing but the resolved settings under results/<scale>/params.
"""

import os
import sys
from pathlib import Path

from wsol.config import paths, roots
from wsol.config.resolve import environment_file, parameter_file
from wsol.config.scale import load_dataset, load_method, load_scale
from wsol.config.yamlfile import check
from wsol.errors import WsolError
from wsol.provenance.closure import code_closure

# The interpreter that runs Snakemake runs the jobs, also where the environment was not activated.
shell.prefix(f"set -euo pipefail; export PATH={Path(sys.executable).parent}:$PATH; ")
# Jobs end when this process is gone, so that a killed run leaves nobody writing.
os.environ["WSOL_PARENT"] = str(os.getpid())

try:
    check(config, "config", "the configuration (params/config.yaml and --config)")
except WsolError as error:
    raise SystemExit(f"wsol: {error}")

SCALE = config["scale"]
SPLITS = paths.SPLITS
EVALUATED = paths.EVALUATED_SPLITS
CELL = "{dataset}/{backbone}/{method}/s{seed}"


wildcard_constraints:
    scale="[a-z0-9_]+",
    dataset="[A-Za-z0-9_]+",
    backbone="[a-z0-9_]+",
    method="[a-z0-9_]+",
    seed="[0-9]+",
    attribution=r"[a-z0-9_]+(\+[a-z0-9_]+)?",
    split="|".join(SPLITS),
    table="[A-Za-z0-9_]+",


def settings(layer, *names):
    """Input function: the resolved settings of a job, written first if they changed."""

    def path(wildcards):
        return parameter_file(
            wildcards.scale, layer, *(name.format(**wildcards) for name in names)
        )

    return path


def environment(wildcards):
    return environment_file(wildcards.scale)


def code(roots, *names):
    """Input function: the package files that a job of these roots can reach."""

    def files(wildcards):
        return code_closure(*roots(*(name.format(**wildcards) for name in names)))

    return files


def is_trained(method):
    return load_method(method)["trained"]


def first_attribution(method):
    return next(iter(load_method(method)["attributions"]))


def cell_of(wildcards):
    return paths.Cell(
        wildcards.scale,
        wildcards.dataset,
        wildcards.backbone,
        wildcards.method,
        int(wildcards.seed),
    )


def gpu_share():
    """One GPU a job where there is one and the configuration lets it be used; the profile says how many there are."""
    return int(config["device"] != "cpu" and Path("/proc/driver/nvidia/gpus").is_dir())
