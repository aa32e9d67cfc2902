"""Needs: a checkpoint (or none, for a method without a network), manifests and images of train-fullsup and test, supersets.

Makes: results/<scale>/maps/<cell>/<attribution>.<split>.safetensors, both splits in one job.
"""


rule extract_maps:
    input:
        settings=inputs.settings("maps", "{method}", "{attribution}"),
        environment=inputs.environment,
        model="results/{scale}/checkpoints/{dataset}/{backbone}/{method}/s{seed}/model.safetensors",
        manifests=expand("data/{{scale}}/{{dataset}}/{split}.parquet", split=EVALUATED),
        images=inputs.archive,
        supersets=inputs.supersets,
        code=inputs.code(roots.map_roots, "{backbone}", "{method}", "{attribution}"),
    output:
        maps=expand(
            "results/{{scale}}/maps/{{dataset}}/{{backbone}}/{{method}}/s{{seed}}/{{attribution}}.{split}.safetensors",
            split=EVALUATED,
        ),
        prov="results/{scale}/maps/{dataset}/{backbone}/{method}/s{seed}/{attribution}.prov.json",
    log:
        "logs/{scale}/maps/{dataset}/{backbone}/{method}/s{seed}/{attribution}.log",
    benchmark:
        "logs/{scale}/maps/{dataset}/{backbone}/{method}/s{seed}/{attribution}.tsv"
    wildcard_constraints:
        backbone="(?!none)[a-z0-9_]+",
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
        gpu=GPU,
    params:
        supersets=lambda w, input: (
            f"--supersets {input.supersets[0]}" if "+" in w.attribution else ""
        ),
    shell:
        "python -m wsol.cli.maps --settings {input.settings} --model {input.model}"
        " --manifests {input.manifests} {params.supersets}"
        " --out {output.maps} --sidecar {output.prov} > {log} 2>&1"


rule repeat_still_map:
    """A method without a network gives every image the same map; it is stored once."""
    input:
        settings=inputs.settings("maps", "{method}", "{attribution}"),
        environment=inputs.environment,
        manifests=expand("data/{{scale}}/{{dataset}}/{split}.parquet", split=EVALUATED),
        code=inputs.code(roots.image_free_map_roots, "{method}"),
    output:
        maps=expand(
            "results/{{scale}}/maps/{{dataset}}/none/{{method}}/s0/{{attribution}}.{split}.safetensors",
            split=EVALUATED,
        ),
        prov="results/{scale}/maps/{dataset}/none/{method}/s0/{attribution}.prov.json",
    log:
        "logs/{scale}/maps/{dataset}/none/{method}/s0/{attribution}.log",
    benchmark:
        "logs/{scale}/maps/{dataset}/none/{method}/s0/{attribution}.tsv"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "python -m wsol.cli.maps --settings {input.settings} --manifests {input.manifests}"
        " --out {output.maps} --sidecar {output.prov} > {log} 2>&1"
