"""Needs: a checkpoint, the test manifest, classes.json, the images with their parts, params/papers/calm/cues.yaml.

Makes: results/<scale>/cues/<cell>/<attribution>.json, reports/<scale>/cues.{csv,pairs.csv,md}, and the same without <scale> for the
configured one.
"""


rule localise_cues:
    """Maps of pairs of classes against the parts in which the classes differ."""
    input:
        settings=inputs.settings("cues", "{dataset}", "{method}", "{attribution}"),
        environment=inputs.environment,
        model="results/{scale}/checkpoints/{dataset}/{backbone}/{method}/s{seed}/model.safetensors",
        manifest="data/{scale}/{dataset}/test.parquet",
        classes="data/{scale}/{dataset}/classes.json",
        images=inputs.archive,
        annotations=inputs.part_annotations,
        code=inputs.code(
            roots.cue_roots, "{dataset}", "{backbone}", "{method}", "{attribution}"
        ),
    output:
        scores="results/{scale}/cues/{dataset}/{backbone}/{method}/s{seed}/{attribution}.json",
        prov="results/{scale}/cues/{dataset}/{backbone}/{method}/s{seed}/{attribution}.prov.json",
    log:
        "logs/{scale}/cues/{dataset}/{backbone}/{method}/s{seed}/{attribution}.log",
    benchmark:
        "logs/{scale}/cues/{dataset}/{backbone}/{method}/s{seed}/{attribution}.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=600,
        gpu=GPU,
    params:
        annotations=lambda w, input: (
            f"--annotations {input.annotations}" if input.annotations else ""
        ),
    shell:
        "python -m wsol.cli.cues --settings {input.settings} --model {input.model} --manifest {input.manifest}"
        " --classes {input.classes} {params.annotations} --out {output.scores} --sidecar {output.prov} > {log} 2>&1"


rule make_cue_table:
    input:
        settings=inputs.cue_table_settings(SCALE),
        definition="params/papers/calm/cues.yaml",
        scores=inputs.cue_scores(SCALE),
        code=inputs.code(roots.cue_table_roots),
    output:
        csv=report(
            "reports/{scale}/cues.csv",
            caption="../report/cues.rst",
            category="Tables",
            labels={"table": "cues", "scale": "{scale}"},
        ),
        pairs="reports/{scale}/cues.pairs.csv",
        markdown="reports/{scale}/cues.md",
        prov="reports/{scale}/cues.prov.json",
    log:
        "logs/{scale}/reports/cues.log",
    benchmark:
        "logs/{scale}/reports/cues.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m wsol.cli.cue_table --settings {input.settings} --out {output.csv}"
        " --sidecar {output.prov} > {log} 2>&1"


use rule make_cue_table as make_cue_table_of_configured_scale with:
    output:
        csv=report(
            "reports/cues.csv",
            caption="../report/cues.rst",
            category="Tables",
            labels={"table": "cues", "scale": SCALE},
        ),
        pairs="reports/cues.pairs.csv",
        markdown="reports/cues.md",
        prov="reports/cues.prov.json",
    log:
        "logs/reports/cues.log",
    benchmark:
        "logs/reports/cues.tsv"
