"""What the pages point to exists: links, files, commands, targets; and no page names a machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from wsol.cli.entry import verb_names

PROJECT = Path(__file__).parents[2]
PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
TOP = ("src", "tests", "params", "workflow", "profiles", "docs", "benchmarks", "scripts", ".ci")
LAYERS = {"params", "supersets", "checkpoints", "search", "maps", "scores", "removal", "cues", "timing"}
"""Folders of results/<scale>/; everything below data, results, reports and logs is made by the workflow."""
IN_PAGE = {
    "src/wsol/methods/cutout.py",
    "src/wsol/attribution/positive_cam.py",
    "params/methods/cutout.yaml",
    "tests/methods/test_cutout.py",
}
"""Made by the reader of docs/add_a_method.md."""
NO_MODULES = {"wsol.journal"}
"""Tags of MLflow that look like modules."""
ADDRESSES_OF_A_SYSTEM = ("/usr/share/wordnet/data.noun",)

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
BLOCK = re.compile(r"^(`{3}\w*\n.*?^`{3}|(?: {4}\S.*\n)+)", re.MULTILINE | re.DOTALL)
VERB = re.compile(r"(?<![\w/.-])(?:wsol |python -m wsol\.cli\.)([a-z_]+)")
RULE_OR_COLLECTOR = re.compile(r"^rule (\w+):", re.MULTILINE)
MACHINE_PATH = re.compile(r"(?<![\w.$}>~/:*…-])/(?:[a-zA-Z][\w.-]*/)+[\w.-]*")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def code_spans(text: str) -> list[str]:
    return [span.strip() for span in CODE.findall(BLOCK.sub("", text))]


def code(text: str) -> Iterator[str]:
    """Everything that is set as code: spans and blocks."""
    yield from code_spans(text)
    yield from (found for found in BLOCK.findall(text))


def alternatives(path: str) -> list[str]:
    """`a/{b,c}.csv` → a/b.csv, a/c.csv; a placeholder such as <scale> or … ends what can be checked."""
    found = re.search(r"\{([^{}]*)\}", path)
    if found is None:
        return [path]
    before, after = path[: found.start()], path[found.end() :]
    return [each for choice in found[1].split(",") for each in alternatives(before + choice.strip() + after)]


def known_part(path: str) -> str:
    return re.split(r"[<*…$]", path, maxsplit=1)[0]


def test_the_pages_are_there() -> None:
    names = {page.relative_to(PROJECT).as_posix() for page in PAGES}
    assert {"README.md", "REPRODUCING.md", "CHANGELOG.md", "docs/index.md", "docs/design.md"} <= names


def test_an_index_lists_every_page() -> None:
    """The one in docs/, or that of a folder below, which docs/index.md lists."""
    linked = {
        (index.parent / link.partition("#")[0]).resolve()
        for index in PROJECT.glob("docs/**/index.md")
        for link in LINK.findall(index.read_text(encoding="utf-8"))
    }
    assert not [page for page in PAGES if page != PROJECT / "docs/index.md" and page.resolve() not in linked]


@each_page
def test_links_resolve(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(file), f"{page.name} links to {link}: no such heading"


@each_page
def test_paths_exist_or_are_made_by_the_workflow(page: Path) -> None:
    for span in code_spans(page.read_text(encoding="utf-8")):
        for word in span.split():
            for path in alternatives(word.strip("(),;:'\"")):
                check_path(path, page)


def check_path(path: str, page: Path) -> None:
    top, slash, rest = path.partition("/")
    if not slash:
        return
    if top in TOP:
        part = known_part(path)
        if part != path:  # what stands before the placeholder must be a folder, or the beginning of a file's name
            folder, _, start = part.rpartition("/")
            assert any((PROJECT / folder).glob(f"{start}*")), f"{page.name}: nothing is called {path}"
        elif path not in IN_PAGE:
            assert (PROJECT / path).exists(), f"{page.name}: {path} does not exist"
    elif top == "results":
        layer = rest.split("/")[1:2]
        if layer and re.fullmatch(r"[a-z]+", layer[0]):
            assert layer[0] in LAYERS, f"{page.name}: {path}: {layer[0]!r} is no layer of results/<scale>/"


@each_page
def test_verbs_exist(page: Path) -> None:
    verbs = set(verb_names())
    for text in code(page.read_text(encoding="utf-8")):
        for line in text.splitlines():
            command = line.partition("#")[0]
            for verb in VERB.findall(command):
                assert verb in verbs, f"{page.name}: `wsol {verb}` does not exist ({command.strip()})"


@each_page
def test_targets_and_rules_exist(page: Path) -> None:
    rules = set(
        RULE_OR_COLLECTOR.findall("".join(file.read_text() for file in (PROJECT / "workflow/rules").glob("*.smk")))
    )
    assert {"all_data", "train_model"} <= rules
    named = {span for span in code_spans(page.read_text(encoding="utf-8")) if re.fullmatch(r"all_[a-z]+", span)}
    for text in code(page.read_text(encoding="utf-8")):
        for command in re.findall(r"^\s*snakemake (.+)$", text, re.MULTILINE):
            named |= set(re.findall(r"\ball_[a-z]+\b", command))
    assert named <= rules, f"{page.name}: no rule is called {sorted(named - rules)}"


@each_page
def test_make_targets_exist(page: Path) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for text in code(page.read_text(encoding="utf-8")):
        for target in re.findall(r"^\s*(?:\$ )?make ([a-z]+)\b", text, re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page.name}: `make {target}` does not exist"


@each_page
def test_no_page_names_a_machine(page: Path) -> None:
    for found in MACHINE_PATH.finditer(page.read_text(encoding="utf-8")):
        path = found[0].rstrip(".")
        assert path in ADDRESSES_OF_A_SYSTEM, f"{page.name}: absolute path {path}"


@each_page
def test_modules_exist(page: Path) -> None:
    """`wsol.x.y` in code names a module, or something in one."""
    for span in code_spans(page.read_text(encoding="utf-8")):
        for name in set(re.findall(r"(?<![\w/-])wsol(?:\.\w+)+", span)) - NO_MODULES:
            parts = name.split(".")
            assert any(
                (PROJECT / "src" / "/".join(parts[:depth])).is_dir()
                or (PROJECT / "src" / ("/".join(parts[:depth]) + ".py")).is_file()
                for depth in range(2, len(parts) + 1)
            ), f"{page.name}: {name} is no module"
