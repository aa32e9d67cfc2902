"""Needs: maps, scores, checkpoints, manifests, and what params/papers/<paper>/figures.yaml says of each figure.

Makes: reports/<scale>/figures/<figure>.{png,pdf}, the same without <scale> for the configured one, and beside those that
need maps of other classes than the image's own, reports/<scale>/figures/<figure>.safetensors, the values drawn.
"""

from wsol.config.figures import figure_specs
from wsol.workflow import figures


wildcard_constraints:
    figure="|".join(figure_specs()),


rule extract_figure_maps:
    input:
        settings=figures.settings(SCALE),
        environment=figures.environment,
        models=figures.models,
        manifest=figures.manifests(SCALE),
        classes=figures.classes,
        images=figures.archives(SCALE),
        wordnet=figures.wordnet,
        annotations=figures.part_annotations,
        code=figures.map_code,
    output:
        maps="reports/{scale}/figures/{figure}.safetensors",
        prov="reports/{scale}/figures/{figure}.maps.prov.json",
    log:
        "logs/{scale}/reports/figures.{figure}.maps.log",
    benchmark:
        "logs/{scale}/reports/figures.{figure}.maps.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
        gpu=GPU,
    params:
        wordnet=lambda w, input: (
            f"--wordnet {' '.join(input.wordnet)}" if input.wordnet else ""
        ),
        annotations=lambda w, input: (
            f"--annotations {' '.join(input.annotations)}" if input.annotations else ""
        ),
    shell:
        "python -m wsol.cli.figure_maps --settings {input.settings} --models {input.models}"
        " --manifest {input.manifest} --classes {input.classes} {params.wordnet} {params.annotations}"
        " --out {output.maps} --sidecar {output.prov} > {log} 2>&1"


rule draw_figure:
    input:
        settings=figures.settings(SCALE),
        manifests=figures.manifests(SCALE),
        images=figures.archives(SCALE),
        maps=figures.drawn_maps(SCALE),
        scores=figures.drawn_scores(SCALE),
        code=inputs.code(roots.paper_figure_roots),
    output:
        png=report(
            "reports/{scale}/figures/{figure}.png",
            caption="../report/figures.rst",
            category="Figures",
            labels={"figure": "{figure}", "scale": "{scale}"},
        ),
        pdf="reports/{scale}/figures/{figure}.pdf",
        prov="reports/{scale}/figures/{figure}.prov.json",
    log:
        "logs/{scale}/reports/figures.{figure}.log",
    benchmark:
        "logs/{scale}/reports/figures.{figure}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m wsol.cli.paper_figure --settings {input.settings} --manifests {input.manifests}"
        " --maps {input.maps} --scores {input.scores} --png {output.png} --pdf {output.pdf} --sidecar {output.prov} > {log} 2>&1"


use rule draw_figure as draw_figure_of_configured_scale with:
    output:
        png=report(
            "reports/figures/{figure}.png",
            caption="../report/figures.rst",
            category="Figures",
            labels={"figure": "{figure}", "scale": SCALE},
        ),
        pdf="reports/figures/{figure}.pdf",
        prov="reports/figures/{figure}.prov.json",
    log:
        "logs/reports/figures.{figure}.log",
    benchmark:
        "logs/reports/figures.{figure}.tsv"
