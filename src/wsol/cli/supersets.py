"""Supersets 𝒴: count Table A of CALM, map a data set's classes, or annotate homogeneous nodes of WordNet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wsol.cli.entry import enter
from wsol.config.roots import superset_roots
from wsol.data.annotate import annotate
from wsol.data.supersets import RULES, write_supersets
from wsol.data.taxonomy import MODES
from wsol.data.wordnet import ANNOTATION, WNIDS, find_data_noun
from wsol.errors import ParameterError
from wsol.files import read_json
from wsol.provenance.job import Job
from wsol.reports.table_a import write_table_a

PUBLISHED = Path("params/papers/calm/table_a.published.csv")
SPEC = Path("params/papers/calm/table_a.yaml")


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol supersets", description=__doc__)
    verbs = result.add_subparsers(dest="verb", required=True)

    table = verbs.add_parser(
        "table-a", help="count the classes below each node of CALM's Table A, beside the printed counts"
    )
    _add_data_noun(table)
    table.add_argument("--wnids", type=Path, default=WNIDS, help="the classes, one wnid a line (default: %(default)s)")
    table.add_argument("--annotation", type=Path, default=ANNOTATION, help="homogeneous nodes (default: %(default)s)")
    table.add_argument("--published", type=Path, default=PUBLISHED, help="the printed rows (default: %(default)s)")
    table.add_argument("--spec", type=Path, default=SPEC, help="how rows were read, and claims (default: %(default)s)")
    table.add_argument("--mode", choices=MODES, default="paper", help="the paper's tree, or all descendants in WordNet")
    table.add_argument("--out", type=Path, required=True, help="the table (CSV)")
    table.add_argument("--markdown", type=Path, help="the same as Markdown, with the totals")
    table.add_argument("--sidecar", type=Path, help="provenance file to write")

    mapping = verbs.add_parser("map", help="map every class of a data set to its superset")
    mapping.add_argument("--classes", type=Path, required=True, help="classes.json of the data set")
    mapping.add_argument("--settings", type=Path, help="resolved settings (JSON) that name rule, mode and depth")
    mapping.add_argument("--rule", choices=RULES, help="what makes a superset, where --settings does not say")
    mapping.add_argument("--mode", choices=MODES, help="for wordnet: the paper's tree (default), or all descendants")
    mapping.add_argument("--depth", type=int, help="aggregate at this depth: for hierarchy, and wordnet in mode paper")
    _add_data_noun(mapping)
    mapping.add_argument("--annotation", type=Path, default=ANNOTATION, help="homogeneous nodes (default: %(default)s)")
    mapping.add_argument("--out", type=Path, required=True, help="supersets.json")
    mapping.add_argument("--sidecar", type=Path, help="provenance file to write")

    ask = verbs.add_parser(
        "annotate", help="walk the hierarchy breadth-first and ask hom or het of each node; resumable"
    )
    _add_data_noun(ask)
    ask.add_argument("--wnids", type=Path, default=WNIDS, help="the classes, one wnid a line (default: %(default)s)")
    ask.add_argument(
        "--tree",
        type=Path,
        default=ANNOTATION,
        help="annotation whose parent overrides a new --out takes over (default: %(default)s)",
    )
    ask.add_argument(
        "--out", type=Path, required=True, help="annotation to write (YAML); if it exists, it is gone on with"
    )
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    return {"table-a": _table_a, "map": _map, "annotate": _annotate}[arguments.verb](arguments)


def _table_a(arguments: argparse.Namespace) -> int:
    nouns = find_data_noun(arguments.data_noun)
    inputs = [nouns, arguments.wnids, arguments.annotation, arguments.published, arguments.spec]
    outputs = [path for path in (arguments.out, arguments.markdown) if path]
    with _job("reports", {"table": "tableA"}, arguments.sidecar, inputs, {"mode": arguments.mode}, outputs) as places:
        table = write_table_a(
            nouns,
            arguments.wnids,
            arguments.annotation,
            arguments.published,
            places[0],
            mode=arguments.mode,
            spec_yaml=arguments.spec,
            out_md=places[1] if arguments.markdown else None,
        )
    found = table.supersets
    agree = len(table.rows) - len(table.differing)
    print(
        f"wrote {' and '.join(map(str, outputs))}: {agree} of {len(table.rows)} counts as published (mode {table.mode})"
    )
    print(f"{found.num_supersets} supersets of {len(found.classes)} classes, {found.num_singletons} of them singletons")
    for row in table.differing:
        print(f"{row.wnid} {row.name}: {row.num_classes}, published {row.published}: {row.note}")
    return 0


def _map(arguments: argparse.Namespace) -> int:
    settings = read_json(arguments.settings) if arguments.settings else {}
    for name in ("rule", "mode", "depth"):
        given = getattr(arguments, name)
        if given is not None and settings.setdefault(name, given) != given:
            raise ParameterError(f"--{name} {given}: {arguments.settings} says {settings[name]}; give one of the two")
    if "rule" not in settings:
        raise ParameterError(f"name the rule with --rule ({', '.join(RULES)}) or --settings")
    rule, mode, depth = settings["rule"], settings.get("mode") or "paper", settings.get("depth")
    nouns = find_data_noun(arguments.data_noun) if rule == "wordnet" else None
    inputs = [path for path in (arguments.settings, arguments.classes) if path]
    inputs += [nouns, arguments.annotation] if nouns else []
    cell = {"scale": arguments.out.parts[1]} if arguments.out.parts[0] == "results" else {}
    cell["dataset"] = settings.get("dataset")
    with _job("supersets", cell, arguments.sidecar, inputs, settings, [arguments.out]) as (place,):
        groups = write_supersets(
            place, rule, arguments.classes, mode=mode, data_noun=nouns, annotation=arguments.annotation, depth=depth
        )
    parts = {tuple(members) for members in groups.values()}
    alone = sum(len(members) == 1 for members in parts)
    print(
        f"wrote {arguments.out}: {len(groups)} classes in {len(parts)} supersets, {alone} of them singletons ({rule})"
    )
    return 0


def _annotate(arguments: argparse.Namespace) -> int:
    annotate(arguments.data_noun, arguments.wnids, arguments.out, sys.stdin, sys.stdout, tree=arguments.tree)
    return 0


def _add_data_noun(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--data-noun", type=Path, help="WordNet 3.0's data.noun (default: $WSOL_WORDNET, then Debian's place)"
    )


@contextmanager
def _job(
    layer: str,
    cell: dict[str, Any],
    sidecar: Path | None,
    inputs: Sequence[Path],
    parameters: dict[str, Any],
    outputs: Sequence[Path],
) -> Iterator[list[Path]]:
    """Where to write the outputs; with a sidecar they are published together with it, and without one directly."""
    if sidecar is None:
        yield list(outputs)
        return
    with Job(
        layer=layer,
        cell=cell,
        sidecar=sidecar,
        inputs={"inputs": [_portable(path) for path in inputs]},
        code_roots=superset_roots(),
        parameters=parameters,
    ) as job:
        yield [job.output_path(path) for path in outputs]


def _portable(path: Path) -> str:
    """A name of an input for the sidecar; WordNet usually lies where the operating system put it."""
    inside = not path.is_absolute() or path.is_relative_to(Path.cwd())
    return str(path) if inside else f"system:{path}"


if __name__ == "__main__":
    enter(main)
