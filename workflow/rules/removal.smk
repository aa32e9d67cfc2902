"""Needs: a checkpoint, the manifest and images of test, the maps of an attribution on test.

Makes: results/<scale>/removal/<cell>/<attribution>.json (how many images stay right without the pixels that the maps point
at), reports/<scale>/remove_and_classify.csv with its curves under figures/, and the same without <scale>.
"""


rule remove_and_classify:
    input:
        settings=inputs.settings("removal", "calm"),
        environment=inputs.environment,
        model="results/{scale}/checkpoints/{dataset}/{backbone}/{method}/s{seed}/model.safetensors",
        manifest="data/{scale}/{dataset}/test.parquet",
        images=inputs.archive,
        maps="results/{scale}/maps/{dataset}/{backbone}/{method}/s{seed}/{attribution}.test.safetensors",
        code=inputs.code(roots.removal_roots, "{backbone}", "{method}"),
    output:
        counts="results/{scale}/removal/{dataset}/{backbone}/{method}/s{seed}/{attribution}.json",
        prov="results/{scale}/removal/{dataset}/{backbone}/{method}/s{seed}/{attribution}.prov.json",
    log:
        "logs/{scale}/removal/{dataset}/{backbone}/{method}/s{seed}/{attribution}.log",
    benchmark:
        "logs/{scale}/removal/{dataset}/{backbone}/{method}/s{seed}/{attribution}.tsv"
    wildcard_constraints:
        backbone="(?!none)[a-z0-9_]+",
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=GPU,
    shell:
        "python -m wsol.cli.removal --settings {input.settings} --model {input.model}"
        " --manifest {input.manifest} --maps {input.maps} --out {output.counts} --sidecar {output.prov} > {log} 2>&1"


rule report_removal:
    input:
        settings=inputs.table_settings(SCALE, "remove_and_classify"),
        definition=inputs.REMOVAL,
        counts=inputs.removal_counts(SCALE),
        code=inputs.code(roots.removal_report_roots),
    output:
        table=report(
            "reports/{scale}/remove_and_classify.csv",
            caption="../report/removal.rst",
            category="CALM",
            labels={"table": "remove-and-classify", "scale": "{scale}"},
        ),
        figures=expand(
            "reports/{{scale}}/figures/remove_and_classify.{kind}", kind=["png", "pdf"]
        ),
        prov="reports/{scale}/remove_and_classify.prov.json",
    log:
        "logs/{scale}/reports/remove_and_classify.log",
    benchmark:
        "logs/{scale}/reports/remove_and_classify.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m wsol.cli.removal_report --spec {input.definition} --settings {input.settings}"
        " --out {output.table} --figures {output.figures} --sidecar {output.prov} > {log} 2>&1"


use rule report_removal as report_removal_of_configured_scale with:
    output:
        table=report(
            "reports/remove_and_classify.csv",
            caption="../report/removal.rst",
            category="CALM",
            labels={"table": "remove-and-classify", "scale": SCALE},
        ),
        figures=expand(
            "reports/figures/remove_and_classify.{kind}", kind=["png", "pdf"]
        ),
        prov="reports/remove_and_classify.prov.json",
    log:
        "logs/reports/remove_and_classify.log",
    benchmark:
        "logs/reports/remove_and_classify.tsv"
