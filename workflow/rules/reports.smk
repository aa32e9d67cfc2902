"""Needs: scores, maps, manifests, and the definitions in params/papers.

Makes: reports/<scale>/<table>.{csv,cells.csv,md,tex}, reports/<scale>/rows/<table>.<method>.{…}, both without <scale> for the
configured one, reports/center.csv, and reports/<scale>/pictures/.
"""


rule make_table:
    input:
        settings=inputs.table_settings(SCALE),
        definition=inputs.table_definition,
        scores=inputs.table_scores(SCALE),
        code=inputs.code(roots.table_roots),
    output:
        csv=report(
            "reports/{scale}/{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}", "scale": "{scale}"},
        ),
        cells="reports/{scale}/{table}.cells.csv",
        markdown="reports/{scale}/{table}.md",
        latex="reports/{scale}/{table}.tex",
        prov="reports/{scale}/{table}.prov.json",
    log:
        "logs/{scale}/reports/{table}.log",
    benchmark:
        "logs/{scale}/reports/{table}.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        definition=lambda w: table_specs()[w.table],
        rows=lambda w: f"--method {w.method}" if w.get("method") else "",
    shell:
        "python -m wsol.cli.table make --spec {params.definition} --settings {input.settings} {params.rows}"
        " --out {output.csv} --sidecar {output.prov} > {log} 2>&1"


use rule make_table as make_table_of_configured_scale with:
    output:
        csv=report(
            "reports/{table}.csv",
            caption="../report/table.rst",
            category="Tables",
            labels={"table": "{table}", "scale": SCALE},
        ),
        cells="reports/{table}.cells.csv",
        markdown="reports/{table}.md",
        latex="reports/{table}.tex",
        prov="reports/{table}.prov.json",
    log:
        "logs/reports/{table}.log",
    benchmark:
        "logs/reports/{table}.tsv"


use rule make_table as make_rows_of_method with:
    output:
        csv="reports/{scale}/rows/{table}.{method}.csv",
        cells="reports/{scale}/rows/{table}.{method}.cells.csv",
        markdown="reports/{scale}/rows/{table}.{method}.md",
        latex="reports/{scale}/rows/{table}.{method}.tex",
        prov="reports/{scale}/rows/{table}.{method}.prov.json",
    log:
        "logs/{scale}/reports/rows/{table}.{method}.log",
    benchmark:
        "logs/{scale}/reports/rows/{table}.{method}.tsv"


use rule make_table as make_rows_of_method_at_configured_scale with:
    output:
        csv="reports/rows/{table}.{method}.csv",
        cells="reports/rows/{table}.{method}.cells.csv",
        markdown="reports/rows/{table}.{method}.md",
        latex="reports/rows/{table}.{method}.tex",
        prov="reports/rows/{table}.{method}.prov.json",
    log:
        "logs/reports/rows/{table}.{method}.log",
    benchmark:
        "logs/reports/rows/{table}.{method}.tsv"


rule score_center_baseline:
    """The centre Gaussian on the released boxes of CUB and ILSVRC; no image is needed."""
    input:
        metadata=inputs.released_metadata,
        published="params/papers/center.yaml",
        metric="params/metrics/boxes.yaml",
        code=inputs.code(roots.center_roots),
    output:
        table=report(
            "reports/center.csv",
            caption="../report/center.rst",
            category="Baselines",
            labels={"table": "center", "data": "released boxes of CUB and ILSVRC"},
        ),
        prov="reports/center.prov.json",
    log:
        "logs/reports/center.log",
    benchmark:
        "logs/reports/center.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        metadata=raw_data_root() / "wsol-metadata",
    shell:
        "python -m wsol.cli.center --metadata {params.metadata} --published {input.published}"
        " --metric {input.metric} --out {output.table} --sidecar {output.prov} > {log} 2>&1"


rule draw_pictures:
    input:
        manifest="data/{scale}/{dataset}/test.parquet",
        images=inputs.archive,
        maps=inputs.shown_maps,
        scores=inputs.shown_scores,
        code=inputs.code(roots.picture_roots),
    output:
        page=report(
            "reports/{scale}/pictures/{dataset}.png",
            caption="../report/pictures.rst",
            category="Pictures",
            labels={"data set": "{dataset}", "scale": "{scale}"},
        ),
        prov="reports/{scale}/pictures/{dataset}.prov.json",
    log:
        "logs/{scale}/reports/pictures.{dataset}.log",
    benchmark:
        "logs/{scale}/reports/pictures.{dataset}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m wsol.cli.figure pictures --manifest {input.manifest} --maps {input.maps}"
        " --scores {input.scores} --out {output.page} --sidecar {output.prov} > {log} 2>&1"


rule index_pictures:
    input:
        pages=inputs.picture_pages,
        code=inputs.code(roots.picture_roots),
    output:
        index="reports/{scale}/pictures/index.html",
        prov="reports/{scale}/pictures/index.prov.json",
    log:
        "logs/{scale}/reports/pictures.log",
    benchmark:
        "logs/{scale}/reports/pictures.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m wsol.cli.figure index --pages {input.pages} --out {output.index}"
        " --sidecar {output.prov} > {log} 2>&1"


rule summarise_runs:
    """The numbers and pictures that `dvc metrics` and `dvc plots` show, of the configured scale."""
    input:
        tables=TARGETS.tidy_tables,
        histories=TARGETS.histories,
        scores=TARGETS.test_scores,
        code=inputs.code(roots.picture_roots),
    output:
        numbers="reports/metrics.json",
        training=report(
            "reports/curves/training.png",
            caption="../report/training.rst",
            category="Curves",
            labels={"curve": "training", "scale": SCALE},
        ),
        thresholds=report(
            "reports/curves/thresholds.png",
            caption="../report/thresholds.rst",
            category="Curves",
            labels={"curve": "thresholds", "scale": SCALE},
        ),
        prov="reports/curves/curves.prov.json",
    log:
        "logs/reports/curves.log",
    benchmark:
        "logs/reports/curves.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m wsol.cli.figure curves --tables {input.tables} --histories {input.histories}"
        " --scores {input.scores} --numbers-out {output.numbers} --training-out {output.training}"
        " --thresholds-out {output.thresholds} --sidecar {output.prov} > {log} 2>&1"
