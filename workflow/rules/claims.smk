"""Needs: the reports that params/papers/*/claims.yaml name.

Makes: reports/<scale>/claims.{csv,md}, a verdict on each claim of the papers, and the same without <scale>.
"""


rule check_claims:
    input:
        settings=inputs.table_settings(SCALE, "claims"),
        claims=claims_files(),
        reports=inputs.claim_reports,
        code=inputs.code(roots.claims_roots),
    output:
        verdicts=report(
            "reports/{scale}/claims.csv",
            caption="../report/claims.rst",
            category="Claims",
            labels={"table": "claims", "scale": "{scale}"},
        ),
        markdown="reports/{scale}/claims.md",
        prov="reports/{scale}/claims.prov.json",
    log:
        "logs/{scale}/reports/claims.log",
    benchmark:
        "logs/{scale}/reports/claims.tsv"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    shell:
        "python -m wsol.cli.claims --claims {input.claims} --settings {input.settings}"
        " --reports {input.reports} --out {output.verdicts} --markdown {output.markdown}"
        " --sidecar {output.prov} > {log} 2>&1"


use rule check_claims as check_claims_of_configured_scale with:
    output:
        verdicts=report(
            "reports/claims.csv",
            caption="../report/claims.rst",
            category="Claims",
            labels={"table": "claims", "scale": SCALE},
        ),
        markdown="reports/claims.md",
        prov="reports/claims.prov.json",
    log:
        "logs/reports/claims.log",
    benchmark:
        "logs/reports/claims.tsv"
