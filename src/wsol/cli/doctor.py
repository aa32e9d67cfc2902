"""`wsol doctor`: what is installed, which data is there, and what to do next."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from wsol import doctor
from wsol.cli.entry import enter
from wsol.locations import raw_data_root, wordnet_nouns

_LOW_DISK_GIB = 5.0
_NO_BUDGET = 1 << 62


def main(argv: list[str]) -> int:
    """Print the findings; 1 where something required is broken, else 0 (a missing optional data set is no fault)."""
    parser = argparse.ArgumentParser(prog="wsol doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="the findings as JSON")
    parser.add_argument("--verify", action="store_true", help="hash all data with a recorded SHA-256, however big")
    options = parser.parse_args(argv)
    findings = examine(Path.cwd(), verify=options.verify)
    print(json.dumps(findings, indent=1, ensure_ascii=False) if options.json else as_text(findings))
    return 1 if findings["problems"] else 0


def examine(project: Path, *, verify: bool = False) -> dict[str, Any]:
    """All findings about this machine and the project folder, as JSON-able values."""
    probe = doctor.TorchProbe()
    specifications, problems = _specifications(project)
    wordnet = wordnet_nouns()
    root = raw_data_root()
    scale = _scale(project)
    findings: dict[str, Any] = {
        "versions": doctor.versions(),
        "device": doctor.hardware(),
        "disk_free_gib": doctor.disk_free_gib(project),
        "data": {
            "root": str(root),
            "from": "WSOL_DATA" if os.environ.get("WSOL_DATA") else "default",
            "exists": root.is_dir(),
            "sets": doctor.data_sets(specifications, root, _NO_BUDGET if verify else doctor.HASH_BUDGET),
        },
        "wordnet": {"path": str(wordnet), "present": wordnet.is_file()},
        "project": {"scale": scale, **_made(project, scale)},
        "torch": probe.result(),
    }
    findings["problems"] = problems + _problems(findings)
    findings["warnings"] = _warnings(findings)
    findings["next"] = _next_steps(findings)
    return findings


def as_text(findings: dict[str, Any]) -> str:
    """The findings as a person reads them."""
    device, torch, data, project = (findings[name] for name in ("device", "torch", "data", "project"))
    rows = [(name, version or "not installed") for name, version in findings["versions"].items()]
    lines = ["Versions", *(f"  {name:<24} {version}" for name, version in rows)]
    cuda = f"built for CUDA {torch['cuda_build']}" if torch.get("cuda_build") else "CPU build"
    usable = "usable" if torch.get("cuda_available") else "not usable"
    lines += [
        "Device",
        f"  {device['cpu']}, {device['cores']} cores, {device['memory_gib']} GiB memory",
        f"  GPU: {', '.join(device['gpus']) or 'none seen'}",
        f"  torch: {torch.get('error') or f'{cuda}; CUDA {usable}'}",
        f"  disk: {findings['disk_free_gib']} GiB free",
        f"Data in {data['root']} ({data['from']}{'' if data['exists'] else '; no such folder'})",
        *(f"  {item['name']:<16} {item['status']:<11} {item['detail']}" for item in data["sets"]),
        f"  {'WordNet 3.0':<16} {'present' if findings['wordnet']['present'] else 'absent':<11} "
        f"{findings['wordnet']['path']}",
        f"This project at scale {project['scale']}",
        *(f"  {name:<10} {state}" for name, state in project.items() if name != "scale"),
    ]
    for title, key in (("Broken", "problems"), ("Mind", "warnings"), ("What to do next", "next")):
        if findings[key]:
            lines += [title, *(f"  - {line}" for line in findings[key])]
    return "\n".join(lines)


def _specifications(project: Path) -> tuple[list[dict[str, Any]], list[str]]:
    import yaml

    found, problems = [], []
    for path in sorted((project / "params" / "datasets").glob("*.yaml")):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            found.append({"name": path.stem, **content})
        except (OSError, TypeError, yaml.YAMLError) as error:
            problems.append(f"{path} cannot be read: {' '.join(str(error).split())}")
    return found, problems


def _scale(project: Path) -> str:
    import yaml

    try:
        return str(yaml.safe_load((project / "params" / "config.yaml").read_text(encoding="utf-8"))["scale"])
    except (OSError, TypeError, KeyError, yaml.YAMLError):
        return "demo"


def _made(project: Path, scale: str) -> dict[str, str]:
    """What of the scale exists: files below data/<scale> and results/<scale>, and its tables."""
    made = {}
    for name in ("data", "results"):
        folder = project / name / scale
        made[name] = f"{name}/{scale} is there" if folder.is_dir() and any(folder.iterdir()) else "not made yet"
    tables = {*(project / "reports").glob("*.csv"), *(project / "reports" / scale).glob("*.csv")}
    names = sorted({path.name for path in tables if not path.name.endswith(".cells.csv")})
    made["reports"] = ", ".join(names) or "not made yet"
    return made


def _problems(findings: dict[str, Any]) -> list[str]:
    problems = [f"{line}: run `make env`" for line in doctor.unmet_requirements()]
    if "error" in findings["torch"]:
        problems.append(f"torch cannot be imported ({findings['torch']['error']}): run `make env`")
    problems += [
        f"{item['name']}: {item['detail']}" for item in findings["data"]["sets"] if item["status"] == "damaged"
    ]
    return problems


def _warnings(findings: dict[str, Any]) -> list[str]:
    warnings = []
    torch = findings["torch"]
    if findings["device"]["gpus"] and not torch.get("cuda_available"):
        why = "is a CPU build" if torch.get("cuda_build") is None else "cannot use it: check the driver"
        warnings.append(f"there is a GPU but torch {why}; training would run on the CPU")
    if findings["disk_free_gib"] < _LOW_DISK_GIB:
        warnings.append(f"only {findings['disk_free_gib']} GiB of disk are free")
    if findings["data"]["from"] == "WSOL_DATA" and not findings["data"]["exists"]:
        warnings.append(f"WSOL_DATA points to {findings['data']['root']}, which is not there")
    return warnings


def _next_steps(findings: dict[str, Any]) -> list[str]:
    status = {item["name"]: item["status"] for item in findings["data"]["sets"]}
    project = findings["project"]
    if findings["problems"]:
        return ["mend what is broken, then run `wsol doctor` again"]
    steps = []
    if "tableB.csv" not in project["reports"]:
        makes = "`make demo`" if project["scale"] == "demo" else "`snakemake --cores all reports/tableB.csv`"
        steps.append(f"{makes} makes reports/tableB.csv at scale {project['scale']}")
    else:
        steps.append("`wsol trace reports/tableB.csv --help` shows where a number comes from; `make ui` shows the runs")
    if findings["wordnet"]["present"]:
        steps.append("`snakemake --cores 2 reports/tableA.csv` builds the supersets from WordNet")
    else:
        steps.append(
            "for reports/tableA.csv: `apt-get install wordnet-base`, or set WSOL_WORDNET to WordNet 3.0's data.noun"
        )
    usable = {"verified", "present"}
    if all(status.get(name) in usable | {"labels only"} for name in ("CUB", "ILSVRC")):
        steps.append("`snakemake --cores 2 reports/center.csv` scores the centre baseline on the real boxes")
    if status.get("tinyimagenet") in usable:
        steps.append("`snakemake --cores 2 reports/photos/tableB.csv` goes the whole way on real photographs")
    absent = [name for name, state in status.items() if state in ("absent", "labels only")]
    if absent:
        steps.append(
            f"real data goes to {findings['data']['root']} (or set WSOL_DATA); `obtain` in params/datasets/<name>.yaml "
            f"says how to get {', '.join(absent)}"
        )
    return steps


if __name__ == "__main__":
    enter(main)
