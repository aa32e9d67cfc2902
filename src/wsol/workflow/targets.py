"""Lists of targets: every artefact of a layer at one scale."""

from __future__ import annotations

from functools import cached_property

from wsol.config import paths
from wsol.config.cues import load_cues
from wsol.config.curve_figures import curves_of
from wsol.config.figures import NEEDS, figure_cells, figure_settings, figures_of
from wsol.config.method import load_method
from wsol.config.paths import EVALUATED_SPLITS, SPLITS, Cell
from wsol.config.scale import load_scale
from wsol.config.search import search_folder
from wsol.config.timing import timed_backbones
from wsol.reports.catalogue import table_specs
from wsol.reports.cells import ScaleView
from wsol.reports.cues import required as required_cues
from wsol.reports.removal import load_removal_spec, required_cells
from wsol.reports.spec import load_spec
from wsol.workflow.inputs import REMOVAL, tabled


class Targets:
    """The artefacts of a scale, layer by layer."""

    def __init__(self, scale: str) -> None:
        self.scale = scale
        self._view = load_scale(scale)

    @cached_property
    def trained_cells(self) -> list[Cell]:
        trained = [method for method in self._view.methods if load_method(method)["trained"]]
        return [cell for method in trained for cell in self._view.cells(method)]

    @cached_property
    def mapped(self) -> list[tuple[Cell, str]]:
        """(cell, attribution) of what some report is made of; any other is made where its file is asked for."""
        return list(dict.fromkeys([*tabled(self.scale), *self._removed, *self._drawn]))

    @property
    def _removed(self) -> list[tuple[Cell, str]]:
        view = ScaleView.from_settings(self._view.as_view_settings())
        return required_cells(load_removal_spec(REMOVAL), view)

    @property
    def _drawn(self) -> list[tuple[Cell, str]]:
        """Of the figures that show stored maps."""
        shown = [figure_settings(self.scale, name) for name in figures_of(self.scale)]
        return [pair for figure in shown if "maps" in NEEDS[figure["kind"]] for pair in figure_cells(figure)]

    @property
    def manifests(self) -> list[str]:
        return [paths.manifest_path(self.scale, name, split) for name in self._view.datasets for split in SPLITS]

    @property
    def supersets(self) -> list[str]:
        return [paths.supersets_path(self.scale, name) for name in self._view.benchmarks]

    @property
    def checkpoints(self) -> list[str]:
        return [paths.checkpoint_path(cell) for cell in self.trained_cells]

    @property
    def histories(self) -> list[str]:
        """Of the networks that pictures show."""
        cells = dict.fromkeys(cell for cell, _ in tabled(self.scale, pictured=True))
        return [paths.history_path(cell) for cell in cells if cell.backbone != paths.NO_BACKBONE]

    @property
    def searches(self) -> list[str]:
        """The table of draws of every cell whose method has something to search; seeds share one search."""
        cells = [cell for cell in self.trained_cells if load_method(cell.method).get("search")]
        folders = [search_folder(self.scale, cell.dataset, cell.backbone, cell.method) for cell in cells]
        return [f"{folder}/draws.csv" for folder in dict.fromkeys(folders)]

    @property
    def maps(self) -> list[str]:
        """Of everything that a report is made of."""
        return [paths.maps_path(cell, name, split) for cell, name in self.mapped for split in EVALUATED_SPLITS]

    @property
    def scores(self) -> list[str]:
        """Of everything that a table shows."""
        return [paths.score_path(cell, name, split) for cell, name in tabled(self.scale) for split in EVALUATED_SPLITS]

    @property
    def test_scores(self) -> list[str]:
        """Of what pictures show."""
        return [paths.score_path(cell, name, "test") for cell, name in tabled(self.scale, pictured=True)]

    @property
    def removal(self) -> list[str]:
        return [paths.removal_path(cell, attribution) for cell, attribution in self._removed]

    @property
    def removal_reports(self) -> list[str]:
        figures = [f"reports/figures/remove_and_classify.{kind}" for kind in ("png", "pdf")]
        return ["reports/remove_and_classify.csv", *figures]

    @property
    def claims(self) -> list[str]:
        return ["reports/claims.csv"]

    @property
    def tables(self) -> list[str]:
        return [f"reports/{table}.csv" for table in table_specs()]

    @property
    def timings(self) -> list[str]:
        return [paths.timing_path(self.scale, backbone) for backbone in timed_backbones(self.scale)]

    @property
    def network_tables(self) -> list[str]:
        """Tables of the networks themselves, which need no data: layers, and run times."""
        return ["reports/fcam_tableF2.csv", "reports/fcam_tableF4.csv"]

    @property
    def cues(self) -> list[str]:
        """Cue scores of every row that the scale can measure."""
        view = ScaleView.from_settings(self._view.as_view_settings())
        return [path for listed in required_cues(load_cues(), view).values() for path in listed]

    @property
    def cue_table(self) -> list[str]:
        return ["reports/cues.csv"]

    @property
    def tidy_tables(self) -> list[str]:
        """Of the tables whose rows pictures show."""
        return [f"reports/{table}.cells.csv" for table, path in table_specs().items() if load_spec(path).pictures]

    @property
    def figures(self) -> list[str]:
        names = [*figures_of(self.scale), *curves_of(self.scale)]
        return [f"reports/figures/{name}.{kind}" for name in names for kind in ("png", "pdf")]

    @property
    def pictures(self) -> list[str]:
        return [f"reports/{self.scale}/pictures/index.html", "reports/metrics.json"]
