"""`wsol trace`: the chain from a cell of a table back to data hashes, code, parameters and environment."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from wsol.cli.entry import enter
from wsol.provenance.sidecar import short_code
from wsol.provenance.trace import Step, Trace, trace

_SHOWN = 14
_LONG = 60


def main(argv: list[str]) -> int:
    """Returns 0. Raises ParameterError if there is no such cell, DataError if it cannot be traced."""
    options = _parser().parse_args(argv)
    found = trace(options.table, options.row, options.column)
    if options.json:
        print(json.dumps(found.as_dict(), indent=1))
    else:
        print("\n".join(_lines(found, options.code)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wsol trace", description=__doc__)
    parser.add_argument("table", type=Path, help="a table, such as reports/tableB.csv")
    parser.add_argument("--row", required=True, help="the row's label, such as CAM")
    parser.add_argument("--column", required=True, help='the column\'s label, such as "synthnet MaxBoxAccV2 ResNet"')
    parser.add_argument("--code", action="store_true", help="list every code file with its hash")
    parser.add_argument("--json", action="store_true", help="print the whole chain as JSON")
    return parser


def _lines(found: Trace, with_code: bool) -> Iterator[str]:
    yield _headline(found)
    for part in found.parts if found.parts != [found.cell] else []:
        yield f"  mean over: {part['column']} = {part['value']}"
    yield from _step_lines(found.chain, 0, with_code, set())
    environments = {tuple(sorted(step.environment.items())) for step in found.chain.walk() if step.environment}
    for environment in sorted(environments, key=len):
        yield "environment: " + ", ".join(f"{name} {version}" for name, version in environment)
    yield "data:"
    yield from (f"  {digest}  {path}" for path, digest in found.data.items())
    changed = [step.path for step in found.chain.walk() if step.state != "ok"]
    if changed:
        yield f"warning: {len(changed)} of these files are not what they were; run: wsol verify"


def _headline(found: Trace) -> str:
    cell = found.cell
    notes = [cell.get("status") or "measured"]
    notes += [f"std {cell['std']}"] if cell.get("std") else []
    notes += [f"{cell['n_seeds']} seed(s)"] if cell.get("n_seeds") else []
    notes += [f"published {cell['published']}"] if cell.get("published") else []
    return f"{cell['row']} / {cell['column']} = {cell['value']} ({', '.join(notes)})"


def _step_lines(step: Step, depth: int, with_code: bool, shown: set[str]) -> Iterator[str]:
    indent = "  " * depth
    mark = "" if step.state == "ok" else f"  [{step.state} since]"
    line = f"{indent}{step.layer}: {step.path}  sha256 {step.sha256[:8]}{mark}"
    if step.path in shown:
        yield f"{line}  (as above)" if step.inputs else line
        return
    shown.add(step.path)
    if step.code:
        commit = (step.git.get("commit") or "none")[:8] + ("+changes" if step.git.get("dirty") else "")
        line += f"  commit {commit}  {short_code(step.code)}"
    yield line
    if step.parameters:
        yield f"{indent}  {_parameters(step)}"
    if with_code:
        yield from (f"{indent}  code {digest[:8]}  {path}" for path, digest in step.code.items())
    for below in step.inputs:
        yield from _step_lines(below, depth + 1, with_code, shown)


def _parameters(step: Step) -> str:
    """The settings that matter most: hyperparameters if the file has any, else whatever is short enough to read."""
    own = {name: value for name, value in step.parameters.items() if name.startswith("hyperparameters.")}
    chosen = {name.removeprefix("hyperparameters."): value for name, value in (own or step.parameters).items()}
    short = [text for text in (f"{name}={value}" for name, value in chosen.items()) if len(text) <= _LONG]
    hidden = len(step.parameters) - len(short[:_SHOWN])
    return ", ".join(short[:_SHOWN]) + (f", … {hidden} more (--json)" if hidden else "")


if __name__ == "__main__":
    enter(main)
