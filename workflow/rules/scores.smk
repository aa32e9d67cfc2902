"""Needs: maps of both evaluated splits, their manifests and (for masks) the archive that the manifests describe.

Makes: results/<scale>/scores/<cell>/<attribution>.<split>.{json,images.parquet}: threshold curves, values at the threshold
chosen on the split itself and at the one frozen on train-fullsup, and each image's hits.
"""


rule score_maps:
    input:
        settings=inputs.settings("scores", "{dataset}"),
        environment=inputs.environment,
        maps=expand(
            "results/{{scale}}/maps/{{dataset}}/{{backbone}}/{{method}}/s{{seed}}/{{attribution}}.{split}.safetensors",
            split=EVALUATED,
        ),
        manifests=expand("data/{{scale}}/{{dataset}}/{split}.parquet", split=EVALUATED),
        images=inputs.archive,
        code=inputs.code(roots.score_roots, "{dataset}"),
    output:
        scores=expand(
            "results/{{scale}}/scores/{{dataset}}/{{backbone}}/{{method}}/s{{seed}}/{{attribution}}.{split}.json",
            split=EVALUATED,
        ),
        images=expand(
            "results/{{scale}}/scores/{{dataset}}/{{backbone}}/{{method}}/s{{seed}}/{{attribution}}.{split}.images.parquet",
            split=EVALUATED,
        ),
        prov="results/{scale}/scores/{dataset}/{backbone}/{method}/s{seed}/{attribution}.prov.json",
    log:
        "logs/{scale}/scores/{dataset}/{backbone}/{method}/s{seed}/{attribution}.log",
    benchmark:
        "logs/{scale}/scores/{dataset}/{backbone}/{method}/s{seed}/{attribution}.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
        gpu=GPU,
    shell:
        "python -m wsol.cli.score --settings {input.settings} --maps {input.maps}"
        " --manifests {input.manifests}"
        " --out {output.scores} --images-out {output.images} --sidecar {output.prov} > {log} 2>&1"
