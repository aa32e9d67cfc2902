"""Needs: params, and for real data sets files under $WSOL_DATA (default data/raw).

Makes: data/<scale>/<dataset>/{images.zip (synthetic only), <split>.parquet, classes.json}.
"""


rule render_images:
    input:
        settings=inputs.settings("data", "{dataset}"),
        environment=inputs.environment,
        code=inputs.code(roots.render_roots),
    output:
        images="data/{scale}/{dataset}/images.zip",
        prov="data/{scale}/{dataset}/images.prov.json",
    log:
        "logs/{scale}/data/{dataset}.render.log",
    benchmark:
        "logs/{scale}/data/{dataset}.render.tsv"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    shell:
        "python -m wsol.cli.data.render --settings {input.settings} --workers {threads}"
        " --out {output.images} --sidecar {output.prov} > {log} 2>&1"


rule write_manifests:
    input:
        settings=inputs.settings("data", "{dataset}"),
        environment=inputs.environment,
        source=inputs.archive,
        code=inputs.manifest_code,
    output:
        manifests=expand("data/{{scale}}/{{dataset}}/{split}.parquet", split=SPLITS),
        classes="data/{scale}/{dataset}/classes.json",
        prov="data/{scale}/{dataset}/manifests.prov.json",
    log:
        "logs/{scale}/data/{dataset}.manifests.log",
    benchmark:
        "logs/{scale}/data/{dataset}.manifests.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    shell:
        "python -m wsol.cli.data.prepare --settings {input.settings}"
        " --out-dir data/{wildcards.scale}/{wildcards.dataset} --sidecar {output.prov} > {log} 2>&1"


rule preview_data:
    input:
        images="data/{scale}/{dataset}/images.zip",
        code=inputs.code(roots.preview_roots),
    output:
        sheet=report(
            "reports/{scale}/preview/{dataset}.png",
            caption="../report/preview.rst",
            category="Data",
            labels={"scale": "{scale}", "data set": "{dataset}"},
        ),
        prov="reports/{scale}/preview/{dataset}.prov.json",
    log:
        "logs/{scale}/data/{dataset}.preview.log",
    benchmark:
        "logs/{scale}/data/{dataset}.preview.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m wsol.cli.data.preview --archive {input.images} --out {output.sheet}"
        " --sidecar {output.prov} > {log} 2>&1"
