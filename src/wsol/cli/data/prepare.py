"""Write the split manifests and the class table of a data set."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from wsol.cli.data import cell_of, common_inputs
from wsol.cli.entry import enter
from wsol.config.dataset import load_dataset
from wsol.config.roots import manifest_roots
from wsol.files import read_json
from wsol.progress import ProgressFile
from wsol.provenance.job import Job


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="wsol data prepare", description=__doc__)
    result.add_argument("--settings", type=Path, required=True, help="resolved settings of the data set (JSON)")
    result.add_argument("--out-dir", type=Path, required=True)
    result.add_argument("--sidecar", type=Path, required=True)
    return result


def main(argv: list[str]) -> int:
    arguments = parser().parse_args(argv)
    from wsol.data.images import resolve_source
    from wsol.data.prepare import metadata_path, prepare, select_source

    settings = read_json(arguments.settings)
    settings["obtain"] = load_dataset(settings["name"]).get("obtain")
    cell = cell_of(arguments.settings, settings)
    source = select_source(settings, arguments.out_dir)
    metadata = metadata_path(settings)
    archive = resolve_source(source)
    # A folder's files are not hashed here: `prepare` hashes each image into the manifest.
    inputs = {**common_inputs(arguments.settings), "metadata": [metadata] if metadata else []}
    inputs["source"] = [archive] if archive.is_file() else []
    show = ProgressFile(f"data/{cell['scale']}/{cell['dataset']}")
    with Job(
        layer="data",
        cell={**cell, "step": "manifests"},
        sidecar=arguments.sidecar,
        inputs=inputs,
        code_roots=manifest_roots(settings["reader"]),
        parameters=settings,
    ) as job:
        arguments.out_dir.mkdir(parents=True, exist_ok=True)
        for left_by_a_killed_job in arguments.out_dir.glob(".prepare.*"):
            shutil.rmtree(left_by_a_killed_job, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=arguments.out_dir, prefix=".prepare.") as folder:
            prepared = prepare(
                settings, folder, source=source, progress=lambda split, done, total: show(done / total, split)
            )
            for path in prepared.files:
                path.replace(job.output_path(arguments.out_dir / path.name))
        job.run.summary({f"images/{split}": count for split, count in prepared.counts.items()})
        for split, count in prepared.counts.items():
            print(f"{split}: {count} images, {prepared.instances[split]} boxes or masks")
        print(f"wrote {arguments.out_dir}/*.parquet and classes.json from {prepared.source}")
    return 0


if __name__ == "__main__":
    enter(main)
