from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import wsol
from wsol.errors import DataError, ParameterError
from wsol.provenance.closure import OBSERVERS, code_closure, code_hashes, external_packages


def make_package(root: Path, **files: str) -> Path:
    """Write modules given as dotted__names=source below root/src; a name ending in __init is a package's own file."""
    for name, source in files.items():
        parts = name.split("__")
        path = root / "src" / Path(*parts[:-1]) / ("__init__.py" if parts[-1] == "init" else f"{parts[-1]}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return root / "src"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return make_package(
        tmp_path,
        toy__init="",
        toy__base="VALUE = 1\n",
        toy__direct="import os\nimport numpy as np\nfrom toy.base import VALUE\n",
        toy__layer__init="from .shared import helper\n",
        toy__layer__shared="def helper():\n    pass\n",
        toy__layer__leaf="from ..base import VALUE\nfrom . import sibling\n",
        toy__layer__sibling="",
        toy__lazy="def f():\n    from toy.layer import leaf\n    return leaf\n",
        toy__typed="if TYPE_CHECKING:\n    import toy.lazy\nelse:\n    import toy.direct\n",
        toy__typed_only="import typing\nif typing.TYPE_CHECKING:\n    import toy.base\n",
        toy__watched="from toy.watch import log\nimport toy.watch.deep\n",
        toy__watch__init="import toy.base\n",
        toy__watch__deep="",
        toy__deep="try:\n    import toy.base\nexcept ImportError:\n    from toy import direct\n",
        toy__matching="match 1:\n    case 1:\n        import toy.base\n",
        toy__attribute="import toy.layer.leaf as renamed\nfrom toy.base import *\n",
    )


def names(paths: list[str]) -> list[str]:
    return [path.removeprefix("src/toy/") for path in paths]


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("toy.base", ["__init__.py", "base.py"]),
        ("toy.direct", ["__init__.py", "base.py", "direct.py"]),
        (
            "toy.layer.leaf",
            ["__init__.py", "base.py", "layer/__init__.py", "layer/leaf.py", "layer/shared.py", "layer/sibling.py"],
        ),
        (
            "toy.lazy",
            [
                "__init__.py",
                "base.py",
                "layer/__init__.py",
                "layer/leaf.py",
                "layer/shared.py",
                "layer/sibling.py",
                "lazy.py",
            ],
        ),
        ("toy.layer", ["__init__.py", "layer/__init__.py", "layer/shared.py"]),
        ("toy.typed", ["__init__.py", "base.py", "direct.py", "typed.py"]),
        ("toy.typed_only", ["__init__.py", "typed_only.py"]),
        ("toy.watched", ["__init__.py", "watched.py"]),
        ("toy.deep", ["__init__.py", "base.py", "deep.py", "direct.py"]),
        ("toy.matching", ["__init__.py", "base.py", "matching.py"]),
    ],
)
def test_reaches_exactly_what_is_imported(package: Path, module: str, expected: list[str]) -> None:
    found = code_closure(module, package_root=package, observers=["toy.watch"])
    assert names(found) == expected
    assert found == sorted(found)


def test_several_roots_are_a_union(package: Path) -> None:
    both = set(code_closure("toy.direct", "toy.layer", package_root=package))
    assert both == set(code_closure("toy.direct", package_root=package)) | set(
        code_closure("toy.layer", package_root=package)
    )


def test_import_as_and_star_are_followed(package: Path) -> None:
    assert {"layer/leaf.py", "base.py"} <= set(names(code_closure("toy.attribute", package_root=package)))


def test_an_unknown_module_and_an_observer_are_refused(package: Path) -> None:
    with pytest.raises(ParameterError, match=r"toy\.nothing: no such module"):
        code_closure("toy.nothing", package_root=package)
    with pytest.raises(ParameterError, match="an observer"):
        code_closure("toy.watch.deep", package_root=package, observers=["toy.watch"])


def test_a_syntax_error_names_the_file_and_line(package: Path) -> None:
    (package / "toy/base.py").write_text("ok = 1\ndef broken(:\n")
    with pytest.raises(DataError, match=r"base\.py: line 2"):
        code_closure("toy.direct", package_root=package)


def test_an_edit_is_noticed_even_with_the_old_time_stamp_and_size(package: Path) -> None:
    file = package / "toy/lazy.py"
    file.write_text("import toy.base  \n")
    stamp = file.stat()
    assert "base.py" in names(code_closure("toy.lazy", package_root=package))
    file.write_text("import toy.direct\n"[: stamp.st_size])
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert "direct.py" in names(code_closure("toy.lazy", package_root=package))


def test_cuda_sources_beside_a_module_are_part_of_it(package: Path) -> None:
    """No import shows them, yet they are code: an edited kernel must make scores run anew."""
    (package / "toy" / "layer" / "kernel.cu").write_text("__global__ void f() {}\n")
    (package / "toy" / "layer" / "notes.txt").write_text("not code\n")
    assert "src/toy/layer/kernel.cu" in code_closure("toy.layer.shared", package_root=package)
    assert "src/toy/layer/notes.txt" not in code_closure("toy.layer.shared", package_root=package)
    assert "src/toy/layer/kernel.cu" not in code_closure("toy.direct", package_root=package)


def test_external_packages_leave_out_the_standard_library(package: Path) -> None:
    assert external_packages("toy.direct", package_root=package) == ["numpy"]


def test_hashes_are_those_of_the_files(package: Path) -> None:
    import hashlib

    paths = code_closure("toy.direct", package_root=package)
    expected = {path: hashlib.sha256((package.parent / path).read_bytes()).hexdigest() for path in paths}
    assert code_hashes(paths, package) == expected


def test_closure_holds_every_module_that_python_really_loads() -> None:
    """Oracle: the wsol modules in sys.modules after importing one, observers aside."""
    module = "wsol.config.resolve"
    script = f"import sys, {module}\nprint(*[n for n in sys.modules if n.split('.')[0] == 'wsol'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    source = Path(wsol.__file__).resolve().parent
    loaded = {
        name
        for name in done.stdout.split()
        if not any(name == observer or name.startswith(f"{observer}.") for observer in OBSERVERS)
    }
    found = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in code_closure(module)}
    assert loaded <= {name.removeprefix(f"{source.parent.name}.") for name in found}


def test_observers_never_appear_in_a_closure_of_wsol() -> None:
    root = Path(wsol.__file__).resolve().parents[1]
    verbs = sorted(
        f"wsol.cli.{path.stem}" for path in (root / "wsol/cli").glob("*.py") if path.stem not in ("__init__", "entry")
    )
    found = code_closure(*verbs, "wsol.files")
    assert f"{root.name}/wsol/files.py" in found
    assert not [
        path
        for path in found
        if "/provenance/" in path or "/tracking/" in path or path.endswith(("progress.py", "roots.py", "entry.py"))
    ]
    assert all((root.parent / path).is_file() for path in found)


def test_is_fast_for_a_hundred_files(tmp_path: Path) -> None:
    body = "\n".join(f"def f{i}(x):\n    return [x + {i}, {{'a': x * 2}}]" for i in range(60))
    modules = {f"big__m{i}": f"import big.m{i + 1}\n{body}\n" for i in range(99)}
    root = make_package(tmp_path, big__init="", big__m99=body, **modules)
    assert len(ast.parse(body).body) == 60
    code_closure("big.m0", package_root=root)
    best = min(_seconds(root) for _ in range(5))
    assert best < 0.1


def _seconds(root: Path) -> float:
    begin = time.perf_counter()
    assert len(code_closure("big.m0", package_root=root)) == 101
    return time.perf_counter() - begin
