"""Needs: scores, maps, histories or masks, and what params/papers/<paper>/curves.yaml says of each figure.

Makes: reports/<scale>/figures/<figure>.{png,pdf} and reports/<scale>/<figure>.csv, the numbers that the curves show, and
the same without <scale> for the configured one.
"""

from wsol.config.curve_specs import curve_specs
from wsol.workflow import curve_figures


wildcard_constraints:
    curve="|".join(curve_specs()),


rule draw_curves:
    input:
        settings=curve_figures.settings(SCALE),
        files=curve_figures.files(SCALE),
        manifest=curve_figures.manifest(SCALE),
        images=curve_figures.archive(SCALE),
        code=inputs.code(roots.paper_curve_roots),
    output:
        png=report(
            "reports/{scale}/figures/{curve}.png",
            caption="../report/figures.rst",
            category="Figures",
            labels={"figure": "{curve}", "scale": "{scale}"},
        ),
        pdf="reports/{scale}/figures/{curve}.pdf",
        csv="reports/{scale}/{curve}.csv",
        prov="reports/{scale}/figures/{curve}.prov.json",
    log:
        "logs/{scale}/reports/figures.{curve}.log",
    benchmark:
        "logs/{scale}/reports/figures.{curve}.tsv"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        manifest=lambda w, input: (
            f"--manifest {input.manifest}" if input.manifest else ""
        ),
    shell:
        "python -m wsol.cli.paper_curves --settings {input.settings} --files {input.files} {params.manifest}"
        " --png {output.png} --pdf {output.pdf} --csv {output.csv} --sidecar {output.prov} > {log} 2>&1"


use rule draw_curves as draw_curves_of_configured_scale with:
    output:
        png=report(
            "reports/figures/{curve}.png",
            caption="../report/figures.rst",
            category="Figures",
            labels={"figure": "{curve}", "scale": SCALE},
        ),
        pdf="reports/figures/{curve}.pdf",
        csv="reports/{curve}.csv",
        prov="reports/figures/{curve}.prov.json",
    log:
        "logs/reports/figures.{curve}.log",
    benchmark:
        "logs/reports/figures.{curve}.tsv"
