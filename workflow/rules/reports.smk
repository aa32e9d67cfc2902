"""Needs: scores, maps, manifests, and the definitions in params/papers.

Makes: reports/<scale>/<table>.{csv,cells.csv,md,tex}, the same without <scale> for the configured one, reports/center.csv,
and reports/<scale>/pictures/.
"""

from wsol.config.scale import load_metric
from wsol.reports.catalogue import table_specs
from wsol.reports.cells import ScaleView, required_cells
from wsol.reports.cells import score_path as table_score_path
from wsol.reports.spec import input_files, load_spec

TABLES = table_specs()


def scale_of(wildcards):
    return getattr(wildcards, "scale", SCALE)


def table_settings(wildcards):
    return parameter_file(scale_of(wildcards), "reports", wildcards.table)


def table_scores(wildcards):
    scale = scale_of(wildcards)
    view = ScaleView.from_settings(load_scale(scale).as_view_settings())
    needed = required_cells(load_spec(TABLES[wildcards.table]), view)
    return sorted({table_score_path(scale, key) for key in needed})


rule make_table:
    input:
        settings=table_settings,
        definition=lambda w: input_files(TABLES[w.table]),
        scores=table_scores,
        code=code(roots.table_roots),
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
    wildcard_constraints:
        table="|".join(TABLES),
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        definition=lambda w: TABLES[w.table],
    shell:
        "python -m wsol.cli.table make --spec {params.definition} --settings {input.settings}"
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


rule score_center_baseline:
    """The centre Gaussian on the released boxes of CUB and ILSVRC; no image is needed."""
    input:
        metadata=expand(
            str(paths.raw_data_root()) + "/wsol-metadata/{dataset}/{split}/{file}.txt",
            dataset=["CUB", "ILSVRC"],
            split=["val", "test"],
            file=["image_ids", "image_sizes", "localization"],
        ),
        published="params/papers/center.yaml",
        metric="params/metrics/boxes.yaml",
        code=code(roots.center_roots),
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
        metadata=str(paths.raw_data_root()) + "/wsol-metadata",
    shell:
        "python -m wsol.cli.center --metadata {params.metadata} --published {input.published}"
        " --metric {input.metric} --out {output.table} --sidecar {output.prov} > {log} 2>&1"


def shown_attributions(wildcards):
    """(cell, attribution) of every column of a picture page: the first backbone and seed of the scale."""
    view = load_scale(wildcards.scale)
    chosen = []
    for method in view.methods:
        cell = next(
            cell for cell in view.cells(method) if cell.dataset == wildcards.dataset
        )
        chosen += [
            (cell, attribution) for attribution in load_method(method)["attributions"]
        ]
    return chosen


rule draw_pictures:
    input:
        manifest="data/{scale}/{dataset}/test.parquet",
        images=raw_source,
        maps=lambda w: [
            paths.maps_path(cell, name, "test") for cell, name in shown_attributions(w)
        ],
        scores=lambda w: [
            paths.score_path(cell, name, "test")
            for cell, name in shown_attributions(w)
        ],
        code=code(roots.picture_roots),
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
        pages=lambda w: expand(
            "reports/{scale}/pictures/{dataset}.png",
            scale=w.scale,
            dataset=load_scale(w.scale).datasets,
        ),
        code=code(roots.picture_roots),
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
        tables=[f"reports/{table}.cells.csv" for table in TABLES],
        histories=[
            paths.checkpoint_path(cell).replace("model.safetensors", "train.csv")
            for cell in TRAINED_CELLS
        ],
        scores=[paths.score_path(cell, name, "test") for cell, name in CELLS_AND_MAPS],
        code=code(roots.picture_roots),
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
