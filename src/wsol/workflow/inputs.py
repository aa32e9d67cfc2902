"""Input functions of the rules: from a job's wildcards to the files that it reads.

Whatever can change a job's bytes must be a file among its inputs: data, resolved settings, code, and the versions of
the packages that compute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from wsol.config import paths, roots
from wsol.config.cues import load_cues
from wsol.config.dataset import load_dataset
from wsol.config.initial import classifier_cell, weights_path
from wsol.config.method import load_method
from wsol.config.resolve import environment_file, parameter_file, train_settings
from wsol.config.scale import load_scale
from wsol.config.search import number_of_draws, proxy_source, search_folder
from wsol.config.timing import definition_files, timed_backbones
from wsol.config.yamlfile import load_yaml
from wsol.data.images import resolve_source
from wsol.data.prepare import select_source
from wsol.data.wordnet import find_data_noun
from wsol.errors import DataError
from wsol.locations import raw_data_root
from wsol.reports import removal
from wsol.reports.catalogue import table_specs
from wsol.reports.cells import ScaleView, required_cells, rows_of_method
from wsol.reports.cells import score_path as table_score_path
from wsol.reports.claims_spec import claims_files, load_claims, reports_of
from wsol.reports.cues import required as required_cues
from wsol.reports.spec import input_files, load_spec
from wsol.search.trial import draw_name
from wsol.workflow.code import code_digest

REMOVAL = "params/papers/calm/remove_and_classify.yaml"
ARCHITECTURE = "params/papers/fcam/tableF2.yaml"
Wildcards = Any
InputFunction = Callable[[Wildcards], Any]


def settings(layer: str, *names: str) -> InputFunction:
    """The resolved settings of a job; names may hold wildcards. They are written first if they changed."""

    def path(wildcards: Wildcards) -> str:
        return parameter_file(wildcards.scale, layer, *(name.format(**wildcards) for name in names))

    return path


def environment(wildcards: Wildcards) -> str:
    return environment_file(wildcards.scale)


def code(modules: Callable[..., list[str]], *names: str) -> InputFunction:
    """What stands for the package files that a job of these roots can reach; names may hold wildcards."""

    def path(wildcards: Wildcards) -> str:
        return code_digest(*modules(*(name.format(**wildcards) for name in names)))

    return path


def manifest_code(wildcards: Wildcards) -> str:
    return code_digest(*roots.manifest_roots(load_dataset(wildcards.dataset)["reader"]))


def train_code(wildcards: Wildcards) -> str:
    attribution = next(iter(load_method(wildcards.method)["attributions"]))
    return code_digest(*roots.train_roots(wildcards.dataset, wildcards.backbone, wildcards.method, attribution))


def draw_code(wildcards: Wildcards) -> str:
    attribution = next(iter(load_method(wildcards.method)["attributions"]))
    return code_digest(*roots.draw_roots(wildcards.dataset, wildcards.backbone, wildcards.method, attribution))


def search_proxy(wildcards: Wildcards) -> list[str]:
    """The list of images that a search trains on, where the data set has one. DataError where it is not here."""
    source = proxy_source(wildcards.dataset)
    if source is None:
        return []
    path = resolve_source(source)
    if not path.is_file():
        raise DataError(
            f"{path}: no such file; a search of {wildcards.dataset} trains on the images listed there. Put it there, "
            f"or set `proxy: null` in params/datasets/{wildcards.dataset}.yaml to search on all of train-weaksup"
        )
    return [str(path)]


def search_trials(wildcards: Wildcards) -> list[str]:
    """The outcome of every draw of a search."""
    folder = search_folder(wildcards.scale, wildcards.dataset, wildcards.backbone, wildcards.method)
    draws = range(number_of_draws(wildcards.scale, wildcards.method))
    return [f"{folder}/{draw_name(draw)}/trial.json" for draw in draws]


def archive(wildcards: Wildcards) -> str:
    """What the manifests describe: the rendered archive of a synthetic data set, else its raw archive or folder."""
    return archive_of(wildcards.scale, wildcards.dataset)


def archive_of(scale: str, dataset: str) -> str:
    """As `archive`, of a data set by name."""
    return str(resolve_source(select_source(load_dataset(dataset), paths.data_folder(scale, dataset))))


def train_threads(wildcards: Wildcards) -> int:
    """Set by the scale, not by the machine: another number of threads adds floats in another order.

    Slim networks train on one thread each, side by side.
    """
    chosen = train_settings(wildcards.scale, wildcards.dataset, wildcards.backbone, wildcards.method)
    return int(chosen["threads"])


def pretrained_weights(wildcards: Wildcards) -> list[str]:
    """First weights, or the classifier that is kept; a search, which has no seed of the scale, takes the first one."""
    chosen = train_settings(wildcards.scale, wildcards.dataset, wildcards.backbone, wildcards.method)
    weights = chosen["architecture"]["pretrained"]
    seed = int(getattr(wildcards, "seed", load_scale(wildcards.scale).seeds[0]))
    classifier = classifier_cell(chosen, seed)
    files = [str(weights_path(weights, wildcards.scale, wildcards.backbone))] if weights else []
    return files + ([paths.checkpoint_path(classifier)] if classifier else [])


def wordnet(wildcards: Wildcards) -> list[str]:
    """WordNet and its annotation, where the data set's supersets come from there."""
    if load_dataset(wildcards.dataset)["supersets"]["rule"] != "wordnet":
        return []
    return [nouns(wildcards), "params/supersets/imagenet.yaml"]


def nouns(wildcards: Wildcards) -> str:
    """WordNet's data.noun. Raises DataError, with how to get it, where it is not here."""
    return str(find_data_noun())


def supersets(wildcards: Wildcards) -> list[str]:
    """The data set's supersets, for an attribution with an aggregation."""
    needed = "+" in wildcards.attribution
    return [paths.supersets_path(wildcards.scale, wildcards.dataset)] if needed else []


def removal_counts(configured: str) -> InputFunction:
    """The count file of every cell that the report of remove-and-classify can have at its scale."""

    def files(wildcards: Wildcards) -> list[str]:
        view = ScaleView.from_settings(load_scale(_scale(wildcards, configured)).as_view_settings())
        needed = removal.required_cells(removal.load_removal_spec(REMOVAL), view)
        return [paths.removal_path(cell, attribution) for cell, attribution in needed]

    return files


def claim_reports(wildcards: Wildcards) -> list[str]:
    """The reports that the claims read, of the scale in the path or of the configured one: those that a rule makes."""
    folder = f"reports/{wildcards.scale}" if hasattr(wildcards, "scale") else "reports"
    claims = [claim for path in claims_files() for claim in load_claims(path)]
    return [f"{folder}/{name}" for name in reports_of(claims)]


def timing_code(wildcards: Wildcards) -> str:
    return code_digest(*roots.timing_roots(wildcards.scale, wildcards.backbone))


def timings(configured: str) -> InputFunction:
    """The timing of every backbone of the scale that the table of run times has."""

    def files(wildcards: Wildcards) -> list[str]:
        scale = _scale(wildcards, configured)
        return [paths.timing_path(scale, backbone) for backbone in timed_backbones(scale)]

    return files


def timing_definition(wildcards: Wildcards) -> list[str]:
    return definition_files()


def architecture_code(wildcards: Wildcards) -> str:
    networks = load_yaml(Path(ARCHITECTURE), "architecture")["networks"]
    return code_digest(*roots.architecture_roots(network["backbone"] for network in networks))


def released_metadata(wildcards: Wildcards) -> list[str]:
    """The released boxes of CUB and ILSVRC. Raises DataError, with how to get them, where they are not here."""
    root = raw_data_root() / "wsol-metadata"
    if not root.is_dir():
        raise DataError(
            f"{root}: no such folder; put the folder `metadata` of the repository clovaai/wsolevaluation there, or set "
            "WSOL_DATA to the folder that holds wsol-metadata/"
        )
    files = ("class_labels", "image_ids", "image_sizes", "localization")
    return [
        str(root / name / split / f"{file}.txt")
        for name in ("CUB", "ILSVRC")
        for split in ("val", "test")
        for file in files
    ]


def table_settings(configured: str, name: str = "{table}") -> InputFunction:
    """What a table needs to know of its scale: that of its path, or the configured one."""
    return lambda wildcards: parameter_file(_scale(wildcards, configured), "reports", name.format(**wildcards))


def table_definition(wildcards: Wildcards) -> list[str]:
    return input_files(table_specs()[wildcards.table])


def table_scores(configured: str) -> InputFunction:
    """The score file of every cell that the table can have at its scale; of a `method` in the path, of its rows."""

    def files(wildcards: Wildcards) -> list[str]:
        scale = _scale(wildcards, configured)
        view = ScaleView.from_settings(load_scale(scale).as_view_settings())
        spec = load_spec(table_specs()[wildcards.table])
        method = wildcards.get("method")
        needed = required_cells(spec if method is None else rows_of_method(spec, view, method), view)
        return sorted({table_score_path(scale, key) for key in needed})

    return files


def part_annotations(wildcards: Wildcards) -> list[str]:
    return part_annotations_of(wildcards.scale, wildcards.dataset)


def part_annotations_of(scale: str, dataset: str) -> list[str]:
    """The text files beside CUB's images that say where its parts are; data of other readers keep them inside."""
    folder = archive_of(scale, dataset)
    if load_dataset(dataset)["reader"] != "cub" or not Path(folder).is_dir():
        return []
    from wsol.data.cues.cub import TEXTS, find_text
    from wsol.data.images import ImageSource

    source = ImageSource(select_source(load_dataset(dataset), paths.data_folder(scale, "CUB")))
    found = [find_text(source, members) for members in TEXTS]
    return [f"{folder}/{member}" for member in found if member is not None]


def cue_table_settings(configured: str) -> InputFunction:
    """What the cue table needs to know of its scale: that of its path, or the configured one."""
    return lambda wildcards: parameter_file(_scale(wildcards, configured), "reports", "cues")


def cue_scores(configured: str) -> InputFunction:
    """The cue scores of every row that the scale can measure."""

    def files(wildcards: Wildcards) -> list[str]:
        view = ScaleView.from_settings(load_scale(_scale(wildcards, configured)).as_view_settings())
        return sorted(path for listed in required_cues(load_cues(), view).values() for path in listed)

    return files


def shown_maps(wildcards: Wildcards) -> list[str]:
    return [paths.maps_path(cell, name, "test") for cell, name in _shown(wildcards)]


def shown_scores(wildcards: Wildcards) -> list[str]:
    return [paths.score_path(cell, name, "test") for cell, name in _shown(wildcards)]


def picture_pages(wildcards: Wildcards) -> list[str]:
    scale = wildcards.scale
    return [f"reports/{scale}/pictures/{dataset}.png" for dataset in load_scale(scale).benchmarks]


def gpu_share(device: str) -> int:
    """One GPU a job where there is one and it may be used; the profile says how many there are."""
    return int(device != "cpu" and Path("/proc/driver/nvidia/gpus").is_dir())


def tabled(scale: str, *, pictured: bool = False) -> list[tuple[paths.Cell, str]]:
    """(cell, attribution) of everything that the tables show at a scale, each once, in the order of their rows.

    With `pictured`, of the tables whose rows pages of pictures and curves show.
    """
    view = ScaleView.from_settings(load_scale(scale).as_view_settings())
    specs = [spec for spec in map(load_spec, table_specs().values()) if spec.pictures or not pictured]
    keys = [key for spec in specs for key in required_cells(spec, view)]
    pairs = [(paths.Cell(scale, key.dataset, key.backbone, key.method, key.seed), key.attribution) for key in keys]
    return list(dict.fromkeys(pairs))


def _shown(wildcards: Wildcards) -> Iterable[tuple[paths.Cell, str]]:
    """What the tables show of a data set on the first backbone and with the first seed: the columns of its pictures."""
    view = load_scale(wildcards.scale)
    for cell, attribution in tabled(wildcards.scale, pictured=True):
        first = cell.backbone in (view.backbones[0], paths.NO_BACKBONE) and cell.seed in (view.seeds[0], 0)
        if cell.dataset == wildcards.dataset and first:
            yield cell, attribution


def _scale(wildcards: Wildcards, configured: str) -> str:
    return getattr(wildcards, "scale", configured)
