"""Check the papers' claims against the reports of a scale: a CSV and a Markdown page with a verdict on each."""

from __future__ import annotations

import argparse
from pathlib import Path

from wsol.cli.entry import enter
from wsol.config.roots import claims_roots
from wsol.files import read_json, write_text
from wsol.provenance.job import Job
from wsol.reports.cells import ScaleView
from wsol.reports.claims import evaluate_claims
from wsol.reports.claims_reading import read_report
from wsol.reports.claims_spec import load_claims
from wsol.reports.claims_text import claims_csv, claims_markdown


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol claims", description=__doc__)
    result.add_argument("--claims", type=Path, nargs="+", required=True, help="params/papers/<paper>/claims.yaml")
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the scale (JSON)")
    result.add_argument("--reports", type=Path, nargs="*", default=[], help="reports of this scale that there are")
    result.add_argument("--out", type=Path, required=True, help="verdicts (CSV)")
    result.add_argument("--markdown", type=Path, required=True, help="the same to read")
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    claims = [claim for path in arguments.claims for claim in load_claims(path)]
    view = ScaleView.from_settings(read_json(arguments.settings))
    with Job(
        layer="reports",
        cell={"scale": view.name, "table": "claims"},
        sidecar=arguments.sidecar,
        inputs={"claims": arguments.claims, "settings": arguments.settings, "reports": arguments.reports},
        code_roots=claims_roots(),
    ) as job:
        found = evaluate_claims(claims, view, {path.name: read_report(path) for path in arguments.reports})
        write_text(job.output_path(arguments.out), claims_csv(found))
        write_text(job.output_path(arguments.markdown), claims_markdown(found, view))
        verdicts = [each.verdict for each in found]
        tally = {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))}
        job.run.summary({f"claims/{verdict}": count for verdict, count in tally.items()})
        print(f"wrote {arguments.out}: " + ", ".join(f"{count} {verdict}" for verdict, count in tally.items()))
        for each in found:
            print(f"  {each.verdict:<9} {each.claim.paper}/{each.claim.id}: {each.reason}")
    return 0


if __name__ == "__main__":
    enter(main)
