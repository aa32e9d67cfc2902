"""Needs: the definitions in params/papers/fcam; no data and no training.

Makes: results/<scale>/timing/<backbone>.json (how long each way to a map takes), reports/<scale>/fcam_tableF4.{csv,md} from
it, the same without <scale>, and reports/fcam_tableF2.{csv,md} (the networks' layers).
"""


rule time_maps:
    """Takes every core of the run, so that nothing else is timed along."""
    input:
        settings=inputs.settings("timing", "{backbone}"),
        environment=inputs.environment,
        code=inputs.timing_code,
    output:
        times="results/{scale}/timing/{backbone}.json",
        prov="results/{scale}/timing/{backbone}.prov.json",
    log:
        "logs/{scale}/timing/{backbone}.log",
    benchmark:
        "logs/{scale}/timing/{backbone}.tsv"
    threads: lambda wildcards: max(1, workflow.cores or 1)
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=GPU,
    shell:
        "python -m wsol.cli.time_maps --settings {input.settings} --threads {threads}"
        " --out {output.times} --sidecar {output.prov} > {log} 2>&1"


rule report_times:
    input:
        settings=inputs.table_settings(SCALE, "fcam_tableF4"),
        definition=inputs.timing_definition,
        timings=inputs.timings(SCALE),
        code=inputs.code(roots.timing_report_roots),
    output:
        table=report(
            "reports/{scale}/fcam_tableF4.csv",
            caption="../report/timing.rst",
            category="Tables",
            labels={"table": "fcam_tableF4", "scale": "{scale}"},
        ),
        markdown="reports/{scale}/fcam_tableF4.md",
        prov="reports/{scale}/fcam_tableF4.prov.json",
    log:
        "logs/{scale}/reports/fcam_tableF4.log",
    benchmark:
        "logs/{scale}/reports/fcam_tableF4.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m wsol.cli.timing_report --settings {input.settings} --out {output.table}"
        " --markdown {output.markdown} --sidecar {output.prov} > {log} 2>&1"


use rule report_times as report_times_of_configured_scale with:
    output:
        table=report(
            "reports/fcam_tableF4.csv",
            caption="../report/timing.rst",
            category="Tables",
            labels={"table": "fcam_tableF4", "scale": SCALE},
        ),
        markdown="reports/fcam_tableF4.md",
        prov="reports/fcam_tableF4.prov.json",
    log:
        "logs/reports/fcam_tableF4.log",
    benchmark:
        "logs/reports/fcam_tableF4.tsv"


rule describe_networks:
    """The layers of the paper's networks at full width, whatever the scale."""
    input:
        definition=inputs.ARCHITECTURE,
        published="params/papers/fcam/tableF2.published.csv",
        code=inputs.architecture_code,
    output:
        table=report(
            "reports/fcam_tableF2.csv",
            caption="../report/architecture.rst",
            category="Tables",
            labels={"table": "fcam_tableF2"},
        ),
        markdown="reports/fcam_tableF2.md",
        prov="reports/fcam_tableF2.prov.json",
    log:
        "logs/reports/fcam_tableF2.log",
    benchmark:
        "logs/reports/fcam_tableF2.tsv"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=10,
    shell:
        "python -m wsol.cli.architecture --spec {input.definition} --out {output.table}"
        " --markdown {output.markdown} --sidecar {output.prov} > {log} 2>&1"
