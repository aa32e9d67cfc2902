"""What every rule uses: the checked configuration, the path grammar, input functions and the configured scale's targets.

Needs: params/, src/wsol. Makes: nothing but the resolved settings under results/<scale>/params.
"""

import sys
from pathlib import Path

from wsol.config import paths, roots
from wsol.config.yamlfile import check_configuration
from wsol.locations import raw_data_root
from wsol.reports.catalogue import table_specs
from wsol.reports.claims_spec import claims_files
from wsol.runner import hand_to_jobs
from wsol.warm.launch import start as start_server
from wsol.workflow import inputs
from wsol.workflow.targets import Targets

# The interpreter that runs Snakemake runs the jobs, also where the environment was not activated.
shell.prefix(f"set -euo pipefail; export PATH={Path(sys.executable).parent}:$PATH; ")
check_configuration(config)
hand_to_jobs(config["device"])

SCALE = config["scale"]
TARGETS = Targets(SCALE)
SPLITS = paths.SPLITS
EVALUATED = paths.EVALUATED_SPLITS
GPU = inputs.gpu_share(config["device"])


wildcard_constraints:
    scale="[a-z0-9_]+",
    dataset="[A-Za-z0-9_]+",
    backbone="[a-z0-9_]+",
    method="[a-z0-9_]+",
    seed="[0-9]+",
    draw="[0-9][0-9]+",
    attribution=r"[a-z0-9_]+(\+[a-z0-9_]+)?",
    split="|".join(SPLITS),
    table="|".join(table_specs()),
