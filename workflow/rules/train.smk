"""Needs: manifests and images of train-weaksup and train-fullsup, the method's code and resolved settings.

Makes: results/<scale>/checkpoints/<cell>/{model,best,last}.safetensors and train.csv.
"""


rule train_model:
    input:
        settings=inputs.settings("train", "{dataset}", "{backbone}", "{method}"),
        environment=inputs.environment,
        train="data/{scale}/{dataset}/train-weaksup.parquet",
        val="data/{scale}/{dataset}/train-fullsup.parquet",
        classes="data/{scale}/{dataset}/classes.json",
        images=inputs.archive,
        weights=inputs.pretrained_weights,
        code=inputs.train_code,
    output:
        model="results/{scale}/checkpoints/{dataset}/{backbone}/{method}/s{seed}/model.safetensors",
        best="results/{scale}/checkpoints/{dataset}/{backbone}/{method}/s{seed}/best.safetensors",
        last="results/{scale}/checkpoints/{dataset}/{backbone}/{method}/s{seed}/last.safetensors",
        history="results/{scale}/checkpoints/{dataset}/{backbone}/{method}/s{seed}/train.csv",
        prov="results/{scale}/checkpoints/{dataset}/{backbone}/{method}/s{seed}/train.prov.json",
    log:
        "logs/{scale}/train/{dataset}/{backbone}/{method}/s{seed}.log",
    benchmark:
        "logs/{scale}/train/{dataset}/{backbone}/{method}/s{seed}.tsv"
    threads: inputs.train_threads
    resources:
        mem_mb=4000,
        runtime=24 * 60,
        gpu=GPU,
    shell:
        "python -m wsol.cli.train --settings {input.settings} --train {input.train} --val {input.val}"
        " --classes {input.classes} --seed {wildcards.seed}"
        " --out-dir $(dirname {output.model})"
        " --state scratch/{wildcards.scale}/{wildcards.dataset}/{wildcards.backbone}/{wildcards.method}/s{wildcards.seed}/state.pt"
        " --sidecar {output.prov} > {log} 2>&1"
