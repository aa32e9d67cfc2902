"""Collectors: one target a layer, at the configured scale. They make no file of their own.

`snakemake --cores all train` trains every model of the scale; dvc.yaml has one stage for each.
"""

from wsol.reports.catalogue import table_specs

VIEW = load_scale(SCALE)
TRAINED_CELLS = [
    cell for method in VIEW.methods if is_trained(method) for cell in VIEW.cells(method)
]
CELLS_AND_MAPS = [
    (cell, attribution)
    for method in VIEW.methods
    for cell in VIEW.cells(method)
    for attribution in load_method(method)["attributions"]
]


localrules:
    tables,
    all_data,
    all_supersets,
    all_checkpoints,
    all_maps,
    all_scores,
    pictures,
    all_reports,


rule tables:
    """The default target: every table of the papers, at the configured scale."""
    default_target: True
    input:
        [f"reports/{table}.csv" for table in table_specs()],


rule all_data:
    input:
        [
            paths.manifest_path(SCALE, dataset, split)
            for dataset in VIEW.datasets
            for split in SPLITS
        ],


rule all_supersets:
    input:
        [paths.supersets_path(SCALE, dataset) for dataset in VIEW.datasets],


rule all_checkpoints:
    input:
        [paths.checkpoint_path(cell) for cell in TRAINED_CELLS],


rule all_maps:
    input:
        [
            paths.maps_path(cell, attribution, split)
            for cell, attribution in CELLS_AND_MAPS
            for split in EVALUATED
        ],


rule all_scores:
    input:
        [
            paths.score_path(cell, attribution, split)
            for cell, attribution in CELLS_AND_MAPS
            for split in EVALUATED
        ],


rule pictures:
    input:
        f"reports/{SCALE}/pictures/index.html",
        "reports/metrics.json",


rule all_reports:
    input:
        [f"reports/{table}.csv" for table in table_specs()],
        f"reports/{SCALE}/pictures/index.html",
        "reports/metrics.json",
