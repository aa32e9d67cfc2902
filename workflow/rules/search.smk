"""Needs: what a training needs, ranges under `search` in the method's parameter file, a proxy list where one is defined.

Makes: results/<scale>/search/<dataset>/<backbone>/<method>/draws.csv, chosen.json and, a draw, d<NN>/. Nothing else asks
for these; `wsol search adopt` copies what was chosen to params/searched/, which belongs to the user and to no rule.
"""


rule train_draw:
    input:
        settings=inputs.settings(
            "search", "{dataset}", "{backbone}", "{method}", "d{draw}"
        ),
        environment=inputs.environment,
        train="data/{scale}/{dataset}/train-weaksup.parquet",
        val="data/{scale}/{dataset}/train-fullsup.parquet",
        classes="data/{scale}/{dataset}/classes.json",
        images=inputs.archive,
        weights=inputs.pretrained_weights,
        proxy=inputs.search_proxy,
        code=inputs.draw_code,
    output:
        history="results/{scale}/search/{dataset}/{backbone}/{method}/d{draw}/train.csv",
        trial="results/{scale}/search/{dataset}/{backbone}/{method}/d{draw}/trial.json",
        prov="results/{scale}/search/{dataset}/{backbone}/{method}/d{draw}/trial.prov.json",
    log:
        "logs/{scale}/search/{dataset}/{backbone}/{method}/d{draw}.log",
    benchmark:
        "logs/{scale}/search/{dataset}/{backbone}/{method}/d{draw}.tsv"
    threads: inputs.train_threads
    resources:
        mem_mb=4000,
        runtime=24 * 60,
        gpu=GPU,
    shell:
        "python -m wsol.cli.search.draw --settings {input.settings} --train {input.train} --val {input.val}"
        " --classes {input.classes} --history {output.history} --trial {output.trial}"
        " --state scratch/{wildcards.scale}/{wildcards.dataset}/{wildcards.backbone}/{wildcards.method}/d{wildcards.draw}/state.pt"
        " --sidecar {output.prov} > {log} 2>&1"


rule choose_draw:
    input:
        settings=inputs.settings("search", "{dataset}", "{backbone}", "{method}"),
        trials=inputs.search_trials,
        code=inputs.code(roots.choose_roots),
    output:
        table="results/{scale}/search/{dataset}/{backbone}/{method}/draws.csv",
        chosen="results/{scale}/search/{dataset}/{backbone}/{method}/chosen.json",
        prov="results/{scale}/search/{dataset}/{backbone}/{method}/draws.prov.json",
    log:
        "logs/{scale}/search/{dataset}/{backbone}/{method}/draws.log",
    benchmark:
        "logs/{scale}/search/{dataset}/{backbone}/{method}/draws.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m wsol.cli.search.choose --settings {input.settings} --trials {input.trials}"
        " --table {output.table} --chosen {output.chosen} --sidecar {output.prov} > {log} 2>&1"
