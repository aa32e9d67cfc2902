"""Collectors: one target a layer, at the configured scale. They make no file of their own.

`snakemake --cores all all_checkpoints` trains every model of the scale; dvc.yaml has one stage for each.
"""


localrules:
    tables,
    all_data,
    all_supersets,
    all_checkpoints,
    all_searches,
    all_maps,
    all_scores,
    all_removal,
    all_cues,
    all_timings,
    pictures,
    figures_of_papers,
    all_reports,


rule tables:
    """The default target: every table of the papers."""
    default_target: True
    input:
        TARGETS.tables,


rule all_data:
    input:
        TARGETS.manifests,


rule all_supersets:
    input:
        TARGETS.supersets,


rule all_checkpoints:
    input:
        TARGETS.checkpoints,


rule all_searches:
    """Every search of hyperparameters; nothing else asks for one, and no training waits for it."""
    input:
        TARGETS.searches,


rule all_maps:
    input:
        TARGETS.maps,


rule all_scores:
    input:
        TARGETS.scores,


rule all_removal:
    input:
        TARGETS.removal,


rule all_cues:
    input:
        TARGETS.cues,


rule all_timings:
    input:
        TARGETS.timings,


rule pictures:
    """Pages of pictures, and the numbers and curves that `dvc metrics` and `dvc plots` show."""
    input:
        TARGETS.pictures,


rule figures_of_papers:
    """Every figure of the papers that the configured scale can have, as PNG and PDF."""
    input:
        TARGETS.figures,


rule all_reports:
    input:
        TARGETS.tables,
        TARGETS.network_tables,
        TARGETS.cue_table,
        TARGETS.pictures,
        TARGETS.removal_reports,
        TARGETS.claims,
        TARGETS.figures,
