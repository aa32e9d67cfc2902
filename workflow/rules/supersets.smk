"""Needs: classes.json of a data set, WordNet 3.0's data.noun where classes are wnids.

Makes: results/<scale>/supersets/<dataset>/supersets.json (every class to its superset) and reports/tableA.csv.
"""

WNIDS = "params/datasets/imagenet1k.wnids.txt"
ANNOTATION = "params/supersets/imagenet.yaml"


rule map_supersets:
    input:
        settings=inputs.settings("supersets", "{dataset}"),
        classes="data/{scale}/{dataset}/classes.json",
        wordnet=inputs.wordnet,
        code=inputs.code(roots.superset_roots),
    output:
        supersets="results/{scale}/supersets/{dataset}/supersets.json",
        prov="results/{scale}/supersets/{dataset}/supersets.prov.json",
    log:
        "logs/{scale}/supersets/{dataset}.log",
    benchmark:
        "logs/{scale}/supersets/{dataset}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m wsol.cli.supersets map --settings {input.settings} --classes {input.classes}"
        " --out {output.supersets} --sidecar {output.prov} > {log} 2>&1"


rule count_supersets:
    """reports/tableA.csv counts on the paper's tree; reports/tableA.wordnet.csv on the whole WordNet graph."""
    input:
        data_noun=inputs.nouns,
        wnids=WNIDS,
        annotation=ANNOTATION,
        published="params/papers/calm/table_a.published.csv",
        spec="params/papers/calm/table_a.yaml",
        code=inputs.code(roots.superset_roots),
    output:
        table=report(
            "reports/tableA{mode}.csv",
            caption="../report/tableA.rst",
            category="CALM",
            labels={"table": "A", "data": "WordNet 3.0, ImageNet-1k wnids"},
        ),
        prov="reports/tableA{mode}.prov.json",
    log:
        "logs/reports/tableA{mode}.log",
    benchmark:
        "logs/reports/tableA{mode}.tsv"
    wildcard_constraints:
        mode=r"(\.wordnet)?",
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        mode=lambda w: w.mode.removeprefix(".") or "paper",
    shell:
        "python -m wsol.cli.supersets table-a --data-noun {input.data_noun} --wnids {input.wnids}"
        " --annotation {input.annotation} --published {input.published} --spec {input.spec} --mode {params.mode}"
        " --out {output.table} --sidecar {output.prov} > {log} 2>&1"
