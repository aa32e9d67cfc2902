"""images → split manifests → checkpoints → maps → scores → tables and pictures.

    snakemake --cores all reports/tableB.csv            # at the scale of params/config.yaml
    snakemake --cores all reports/photos/tableB.csv     # at a named scale

One rules file a layer in workflow/rules/, of the same names as the folders of src/wsol/ and results/.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: "params/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/supersets.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/maps.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/removal.smk"
include: "workflow/rules/cues.smk"
include: "workflow/rules/reports.smk"
include: "workflow/rules/fcam.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/curves.smk"


onstart:
    start_server()


onsuccess:
    shell("python -m wsol.cli.track sync --quiet || true")


onerror:
    shell("python -m wsol.cli.track sync --quiet || true")
