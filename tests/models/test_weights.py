from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from wsol.errors import DataError, ParameterError
from wsol.files import load_metadata, save_tensors, sha256_file
from wsol.models import build, load_model, load_pretrained, save_model
from wsol.models.weights import _read_state

RELEASED = {
    "resnet50": torchvision.models.resnet50,
    "vgg16": torchvision.models.vgg16,
    "inceptionv3": lambda **options: torchvision.models.inception_v3(init_weights=False, **options),
}


class RunsCode:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_is_refused_unread(tmp_path: Path, zipped: bool) -> None:
    path, marker = tmp_path / "evil.pth", tmp_path / "ran"
    torch.save({"w": torch.zeros(1), "x": RunsCode(marker)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError) as caught:
        load_pretrained(build("resnet50", num_classes=3, width=0.125), path)
    assert str(path) in str(caught.value)
    assert "safetensors" in str(caught.value)
    assert not marker.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_bare_malicious_pickle_is_refused_unread(tmp_path: Path) -> None:
    path, marker = tmp_path / "evil.pt", tmp_path / "ran"
    path.write_bytes(pickle.dumps(RunsCode(marker)))
    with pytest.raises(DataError, match="refused"):
        load_pretrained(build("resnet50", num_classes=3, width=0.125), path)
    assert not marker.exists()


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    model = build("resnet50", num_classes=3, width=0.125)
    whole = tmp_path / "whole.pth"
    torch.save({"w": torch.zeros(1000)}, whole)
    contents = {
        "absent.pth": None,
        "empty.pth": b"",
        "cut.pth": whole.read_bytes()[:700],
        "cut.safetensors": b"\x10\x00\x00",
        "weights.bin": b"x",
    }
    for name, content in contents.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            load_pretrained(model, tmp_path / name)
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(DataError, match="not a state dict"):
        load_pretrained(model, tmp_path / "list.pth")


@pytest.mark.parametrize("backbone", RELEASED)
def test_torchvision_files_load_into_the_trunk(backbone: str, tmp_path: Path) -> None:
    # On the meta device the network costs no initialisation; the entries then get values of their own.
    with torch.device("meta"):
        skeleton = RELEASED[backbone](weights=None).state_dict()
    entries = {
        name: torch.full(value.shape, 0.001 * index, dtype=value.dtype)
        for index, (name, value) in enumerate(skeleton.items())
        if value.numel() < 1e7  # VGG's linear layers are half a gigabyte
    }
    path = tmp_path / "released.safetensors"
    save_file(entries, path)
    model = build(backbone, num_classes=1000)
    report = load_pretrained(model, path)

    for name, value in model.trunk.state_dict().items():
        assert torch.equal(value, entries[name]), name
    head = {name for name in model.state_dict() if name.startswith("head.")}
    if backbone == "resnet50":
        assert not report.dropped
        assert not report.initialised
        assert torch.equal(model.head.classifier.weight, entries["fc.weight"])
    else:
        behind = {"vgg16": ("classifier.",), "inceptionv3": ("AuxLogits.", "Mixed_7", "fc.")}[backbone]
        assert report.dropped == sorted(name for name in entries if name.startswith(behind))
        assert set(report.initialised) == head
    assert set(report.loaded) | set(report.initialised) == set(model.state_dict())


def slim_entries(num_classes: int = 3) -> dict[str, torch.Tensor]:
    """A state dict with torchvision's names for a slim ResNet50."""
    torch.manual_seed(5)
    model = build("resnet50", num_classes=num_classes, width=0.125)
    entries = {name: value.clone() for name, value in model.trunk.state_dict().items()}
    return entries | {"fc.weight": model.head.classifier.weight.data, "fc.bias": model.head.classifier.bias.data}


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("zipped", [True, False])
def test_pth_files_of_either_layout_load(tmp_path: Path, wrapped: bool, zipped: bool) -> None:
    entries = slim_entries()
    path = tmp_path / "weights.pth"
    torch.save({"epoch": 3, "state_dict": entries} if wrapped else entries, path, _use_new_zipfile_serialization=zipped)
    model = build("resnet50", num_classes=3, width=0.125, pretrained=path)
    assert torch.equal(model.trunk.conv1.weight, entries["conv1.weight"])
    assert torch.equal(model.head.classifier.weight, entries["fc.weight"])
    assert _read_state(path).keys() == entries.keys()


def test_a_classifier_of_other_classes_is_dropped_and_said_so(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(slim_entries(num_classes=7), path)
    model = build("resnet50", num_classes=3, width=0.125)
    before = model.head.classifier.weight.clone()
    report = load_pretrained(model, path)
    assert report.dropped == ["fc.bias", "fc.weight"]
    assert report.initialised == ["head.classifier.bias", "head.classifier.weight"]
    assert torch.equal(model.head.classifier.weight, before)


@pytest.mark.parametrize("head", ["cam", "inca", "calm", "spg", "acol", "fsl"])
def test_a_released_classifier_comes_whole_or_not_at_all(tmp_path: Path, head: str) -> None:
    """A bias without its weights, as would fit a 1 × 1 convolution, would prefer some classes for no reason."""
    path = tmp_path / "weights.safetensors"
    entries = slim_entries() | {"fc.bias": torch.tensor([1.0, 2.0, 3.0])}
    save_file(entries, path)
    model = build("resnet50", head=head, num_classes=3, width=0.125)
    before = {name: value.clone() for name, value in model.head.state_dict().items()}
    report = load_pretrained(model, path)
    if head in ("cam", "inca"):
        assert torch.equal(model.head.classifier.bias, entries["fc.bias"]) and not report.dropped
        assert torch.equal(model.head.classifier.weight, entries["fc.weight"])
    else:
        assert report.dropped == ["fc.bias", "fc.weight"]
        assert all(torch.equal(value, before[name]) for name, value in model.head.state_dict().items())


def test_counters_that_old_files_lack_are_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    entries = {name: value for name, value in slim_entries().items() if not name.endswith("num_batches_tracked")}
    save_file(entries, path)
    report = load_pretrained(build("resnet50", num_classes=3, width=0.125), path)
    assert all(name.endswith("num_batches_tracked") for name in report.initialised)


def test_weights_of_another_network_are_refused_with_the_names(tmp_path: Path) -> None:
    model = build("resnet50", num_classes=3, width=0.125)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    changes = {
        "missing: trunk.layer2.0.conv1.weight": {"layer2.0.conv1.weight": None},
        "unexpected: trunk.layer3.6.conv1.weight": {"layer3.6.conv1.weight": torch.zeros(2)},
        "of another shape: trunk.conv1.weight": {"conv1.weight": torch.zeros(16, 3, 7, 7)},
    }
    for words, change in changes.items():
        entries = {name: value for name, value in (slim_entries() | change).items() if value is not None}
        path = tmp_path / "weights.safetensors"
        save_file(entries, path)
        with pytest.raises(DataError) as caught:
            load_pretrained(model, path)
        assert words in str(caught.value)
        assert str(path) in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def trained(backbone: str) -> nn.Module:
    """A model whose batch statistics and counters are no longer the initial ones."""
    torch.manual_seed(7)
    model = build(backbone, num_classes=4, width=0.125, map_stride=8)
    model(torch.randn(2, 3, 64, 64))
    return model.eval()


@pytest.mark.parametrize("backbone", RELEASED)
def test_a_saved_model_comes_back_whole(backbone: str, tmp_path: Path) -> None:
    model = trained(backbone)
    path = tmp_path / "model.safetensors"
    save_model(path, model, extra={"epoch": 3})
    torch.manual_seed(11)
    before = torch.get_rng_state()
    again = load_model(path)
    assert torch.equal(torch.get_rng_state(), before)

    assert not again.training
    assert again.build_args == model.build_args == load_metadata(path)["build_args"]
    assert load_metadata(path)["extra"] == {"epoch": 3}
    first, second = model.state_dict(), again.state_dict()
    assert list(first) == list(second)
    assert all(torch.equal(first[n], second[n]) and first[n].shape == second[n].shape for n in first)
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(model(x), again(x))
    again.train()(x).sum().backward()
    assert all(parameter.grad is not None for parameter in again.parameters())


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors", tmp_path / "c.safetensors"]
    for path in paths[:2]:
        save_model(path, trained("resnet50"), extra={"seed": 1, "arch": "x"})
    # In another memory layout, and with the mapping's keys in another order.
    save_model(paths[2], trained("resnet50").to(memory_format=torch.channels_last), extra={"arch": "x", "seed": 1})
    assert len({sha256_file(path) for path in paths}) == 1


def test_a_saved_model_serves_as_pretrained_weights(tmp_path: Path) -> None:
    model = trained("resnet50")
    path = tmp_path / "model.safetensors"
    save_model(path, model)
    finer = build("resnet50", num_classes=model.num_classes, width=0.125, pretrained=path)
    assert torch.equal(finer.trunk.layer4[2].conv3.weight, model.trunk.layer4[2].conv3.weight)
    assert not torch.equal(finer.head.classifier.weight, model.head.classifier.weight), "other classes, as many"
    report = load_pretrained(finer, path)
    assert report.dropped == report.initialised == ["head.classifier.bias", "head.classifier.weight"]


@pytest.mark.parametrize("backbone", ["vgg16", "inceptionv3"])
def test_of_a_file_of_ours_the_neck_is_taken_and_the_classifier_never(backbone: str, tmp_path: Path) -> None:
    model = trained(backbone)
    path = tmp_path / "model.safetensors"
    save_model(path, model)
    torch.manual_seed(12)
    finer = build(backbone, num_classes=model.num_classes, width=0.125, map_stride=8)
    before = {name: value.clone() for name, value in finer.state_dict().items()}
    report = load_pretrained(finer, path)
    theirs, ours = model.state_dict(), finer.state_dict()
    classifier = {"head.classifier.weight", "head.classifier.bias"}
    neck = {name for name in ours if name.startswith("head.neck.")}
    assert neck and set(report.loaded) == ours.keys() - classifier
    assert all(torch.equal(ours[name], theirs[name]) for name in ours.keys() - classifier)
    assert all(torch.equal(ours[name], before[name]) for name in classifier)
    assert not any(torch.equal(before[name], theirs[name]) for name in neck if name.endswith(".weight"))
    assert set(report.dropped) == set(report.initialised) == classifier


def test_another_head_takes_the_trunk_and_what_fits_of_the_neck(tmp_path: Path) -> None:
    model = trained("vgg16")
    path = tmp_path / "model.safetensors"
    save_model(path, model)
    for head in ("calm", "acol"):
        finer = build("vgg16", num_classes=2, width=0.125, map_stride=8, head=head)
        report = load_pretrained(finer, path)
        ours, theirs = finer.state_dict(), model.state_dict()
        assert {name for name in ours if name.startswith("trunk.")} <= set(report.loaded)
        assert all(torch.equal(ours[name], theirs[name]) for name in report.loaded)
        assert {name for name in report.loaded if name.startswith("head.")} == {
            name
            for name in ours.keys() & theirs.keys()
            if name.startswith("head.neck.") and ours[name].shape == theirs[name].shape
        }


def test_a_file_that_is_no_model_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(slim_entries(), path)
    with pytest.raises(DataError, match="load_pretrained"):
        load_model(path)
    model = trained("resnet50")
    for arguments in ({"backbone": "resnet51"}, {"colour": 1}, model.build_args | {"width": 0.25}):
        save_model(path, model, arguments)
        with pytest.raises(DataError, match="train the model again"):
            load_model(path)
    save_tensors(path, {}, {"build_args": model.build_args})
    with pytest.raises(DataError, match="do not fit"):
        load_model(path)
    with pytest.raises(ParameterError):
        build("resnet51", pretrained=path)
