"""One environment described thrice: pyproject.toml (ranges), requirements.lock (versions), environment*.yml (conda)."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CPU, CUDA = "environment.yml", "environment-cuda.yml"
# Names in conda-forge and bioconda of what PyPI calls otherwise.
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",
    "opencv-python-headless": "py-opencv",
    "seaborn": "seaborn-base",
    "snakemake": "snakemake-minimal",
}
GPU_ONLY = {"cuda-version", "cupy", "pytorch-gpu"}
NOT_FROM_PYPI = {"python", "pip"}
BIOCONDA = {"snakemake-minimal", "snakefmt"}
VARIABLES = {
    "MLFLOW_BACKEND_STORE_URI": "sqlite:///mlflow/mlflow.db",
    "MLFLOW_ARTIFACTS_DESTINATION": "mlflow/artifacts",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
}


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def direct_requirements() -> dict[str, Requirement]:
    texts = [*project()["dependencies"], *project()["optional-dependencies"]["dev"]]
    return {canonicalize_name(Requirement(text).name): Requirement(text) for text in texts}


def locked_lines() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip() and not line.startswith("#")]


def locked_versions() -> dict[str, list[str]]:
    """Each package's pinned versions: more than one where a marker tells Pythons apart."""
    versions: dict[str, list[str]] = {}
    for line in locked_lines():
        requirement = Requirement(line)
        (pin,) = requirement.specifier
        versions.setdefault(canonicalize_name(requirement.name), []).append(pin.version)
    return versions


def conda_environment(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def conda_packages(name: str) -> dict[str, str]:
    """Package to what follows its name: `=1.2.3`, `>=3.11,<3.13`, `=5.0.0=*headless*`, or nothing."""
    packages = {}
    for entry in conda_environment(name)["dependencies"]:
        if isinstance(entry, str):
            found = re.fullmatch(r"(?:(?P<channel>[a-z-]+)::)?(?P<name>[a-z0-9.-]+)(?P<version>.*)", entry)
            assert found, entry
            assert (found["channel"] == "bioconda") == (found["name"] in BIOCONDA), entry
            assert found["name"] not in packages, f"{found['name']} is listed twice"
            packages[found["name"]] = found["version"]
    return packages


def conda_name(distribution: str, environment: str) -> str:
    if distribution == "torch":
        return "pytorch-gpu" if environment == CUDA else "pytorch-cpu"
    return CONDA_NAMES.get(distribution, distribution)


def test_lock_has_plain_pins_only() -> None:
    plain = re.compile(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.+!]*( ; [^;@]+)?")
    wrong = [line for line in locked_lines() if not plain.fullmatch(line)]
    assert wrong == [], "no links, hashes, options or ranges belong in requirements.lock"
    assert "://" not in "".join(locked_lines())


def test_lock_meets_every_range_of_pyproject() -> None:
    versions = locked_versions()
    for name, requirement in direct_requirements().items():
        assert name in versions, f"{name} is not in requirements.lock; run `make lock`"
        for version in versions[name]:
            assert requirement.specifier.contains(version), (
                f"{name}=={version} is outside {requirement}; run `make lock`"
            )


def test_lock_pins_the_mlflow_family_alike() -> None:
    versions = locked_versions()
    assert versions["mlflow"] == versions["mlflow-skinny"] == versions["mlflow-tracing"]


def test_lock_has_one_version_for_this_python() -> None:
    applicable: dict[str, list[str]] = {}
    for line in locked_lines():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(default_environment()):
            applicable.setdefault(canonicalize_name(requirement.name), []).append(line)
    assert [lines for lines in applicable.values() if len(lines) > 1] == []


@pytest.mark.parametrize("environment", [CPU, CUDA])
def test_conda_environment_has_every_direct_dependency_at_its_locked_version(environment: str) -> None:
    versions, packages = locked_versions(), conda_packages(environment)
    for name in direct_requirements():
        (version,) = versions[name]
        listed = packages.get(conda_name(name, environment))
        assert listed is not None, f"{environment} lacks {conda_name(name, environment)}"
        if name == "opencv-python-headless":
            library = ".".join(version.split(".")[:3])
            assert listed == f"={library}=*headless*"
        else:
            assert listed == f"={version}", f"{environment}: {name} must be ={version}"


@pytest.mark.parametrize("environment", [CPU, CUDA])
def test_conda_environment_has_nothing_else(environment: str) -> None:
    direct = {conda_name(name, environment) for name in direct_requirements()}
    allowed = direct | NOT_FROM_PYPI | (GPU_ONLY if environment == CUDA else set())
    assert set(conda_packages(environment)) == allowed


@pytest.mark.parametrize("environment", [CPU, CUDA])
def test_conda_environment_sets_up_the_same_session(environment: str) -> None:
    content = conda_environment(environment)
    assert content["channels"] == ["conda-forge", "bioconda", "nodefaults"]
    assert content["variables"] == VARIABLES
    assert content["dependencies"][-1] == {"pip": ["-e ."]}
    python = SpecifierSet(conda_packages(environment)["python"])
    ours = SpecifierSet(project()["requires-python"])
    for minor, tested in (("3.10", False), ("3.11", True), ("3.12", True), ("3.13", False)):
        assert python.contains(minor) == tested
        assert not tested or ours.contains(minor)


def test_variants_differ_in_the_gpu_packages_only() -> None:
    cpu, cuda = conda_packages(CPU), conda_packages(CUDA)
    assert set(cuda) - set(cpu) == GPU_ONLY
    assert set(cpu) - set(cuda) == {"pytorch-cpu"}
    assert {name: cpu[name] for name in set(cpu) & set(cuda)} == {name: cuda[name] for name in set(cpu) & set(cuda)}


def test_cupy_and_cuda_are_those_of_the_gpu_extra_and_of_torch() -> None:
    (text,) = project()["optional-dependencies"]["gpu"]
    extra = Requirement(text)
    packages = conda_packages(CUDA)
    assert packages["cupy"] == str(extra.specifier)
    major = packages["cuda-version"].removeprefix("=").split(".")[0]
    assert extra.name == f"cupy-cuda{major}x"
    assert locked_versions()["cuda-toolkit"][0].split(".")[0] == major
