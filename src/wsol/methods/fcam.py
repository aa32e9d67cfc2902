"""F-CAM (Belharbi et al., WACV 2022): a decoder learns full-resolution maps from the CAMs of a frozen classifier.

The classifier is another method's model of the same cell (`classifier` of the parameter file); it is read, kept in
evaluation mode and saved along, so that what is predicted is what it predicted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wsol.errors import ParameterError
from wsol.losses.size_constraint import barrier_scale
from wsol.methods.base import TrainingMethod
from wsol.methods.options import check_choice, check_names, check_share

if TYPE_CHECKING:
    import torch

SEEDS = ("cam", "gradcam", "gradcam_pp", "smooth_gradcam_pp", "xgradcam", "layercam")
KERNELS = ("exact", "lattice")
COUNTS = ("pixels", "erosion", "dilation")
WEIGHTS = ("seed_weight", "crf_weight", "size_weight")
POSITIVE = ("crf_sigma_rgb", "crf_sigma_xy", "crf_scale", "barrier_first", "barrier_factor", "barrier_most")
NAME = "fcam_*"


class Method(TrainingMethod):
    """Partial cross-entropy on few random pixels, CRF loss, and absolute size constraint.

    seeds: the CAM method of whose maps pixels are drawn, of the image's label on the augmented crop.
    background: share n⁻ in [0, 1] of an image's pixels, those with the lowest values, that may be drawn as background.
    pixels: how many of each region a step draws in an image.
    erosion, dilation: odd sides of squares in pixels, 1 for none: by the first the foreground region shrinks, to the
        second each drawn pixel grows.
    seed_weight, crf_weight, size_weight: of the three terms (α, λ and that of the barrier), not negative; a term of
        weight 0 is not computed.
    crf_kernel: exact, or lattice, whose loss is about 0.6 of it, so that each has its own weight; crf_sigma_rgb of
        colours in [0, 255], crf_sigma_xy in pixels of the image, crf_scale the share of its side that is computed on.
    barrier_first, barrier_factor, barrier_most: schedule of the barrier's t (`wsol.losses.size_constraint`).

    Raises ParameterError.
    """

    def __init__(self, options: dict[str, Any], label_smoothing: float = 0.0) -> None:
        check_names(NAME, options, ("seeds", "background", *COUNTS, *WEIGHTS, "crf_kernel", *POSITIVE))
        check_choice(NAME, options, "seeds", SEEDS)
        check_choice(NAME, options, "crf_kernel", KERNELS)
        check_share(NAME, options, "background")
        for name in COUNTS:
            value = options[name]
            odd = name != "pixels"
            if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (odd and value % 2 == 0):
                _refuse(name, value, f"a positive {'odd' if odd else 'whole'} number")
        for name in (*WEIGHTS, *POSITIVE):
            value, zero = options[name], name in WEIGHTS
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or (value == 0 and not zero):
                _refuse(name, value, "a number that is not negative" if zero else "a positive number")
        if label_smoothing:
            _refuse("label_smoothing", label_smoothing, "0: no label is learnt here")
        super().__init__(options, label_smoothing)
        self.t = float(options["barrier_first"])

    def build(self, backbone: str, num_classes: int, architecture: dict[str, Any]) -> torch.nn.Module:
        """The classifier in the file `architecture["classifier"]`, frozen, and a new decoder."""
        import wsol.models.heads.cam  # noqa: F401  `load_model` finds it by name; the code closure only sees imports
        from wsol.models import load_model
        from wsol.models.families.fcam import FCam

        path = architecture.get("classifier")
        if path is None:
            raise ParameterError(f"params/methods/{NAME}.yaml: no classifier; name the method that trains it, as cam")
        classifier = load_model(path)
        if (classifier.backbone, classifier.num_classes) != (backbone, num_classes):
            raise ParameterError(
                f"{path}: a classifier of {classifier.num_classes} classes on {classifier.backbone}, but the cell has "
                f"{num_classes} on {backbone}; train the classifier again"
            )
        return FCam(classifier)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        self.t = barrier_scale(epoch, *(self.options[f"barrier_{name}"] for name in ("first", "factor", "most")))

    def loss(
        self, model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The weighted sum of the terms, and the frozen classifier's logits."""
        import torch

        scores, features = model.decode(images)  # type: ignore[operator]
        with torch.no_grad():
            logits = model.logits(features)  # type: ignore[operator]
            cams = seed_maps(self.options["seeds"], model.classifier, features, labels)
        return self.alignment(scores, cams, images, generator), logits

    def alignment(
        self, scores: torch.Tensor, cams: torch.Tensor, images: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """The pixel alignment loss (equation 3 without its first term).

        scores (B, 2, H, W) of background and foreground, cams (B, h, w), images (B, 3, H, W) normalised.
        """
        from wsol.losses.partial_cross_entropy import partial_cross_entropy
        from wsol.losses.sampling_regions import draw_labels, sampling_regions
        from wsol.losses.size_constraint import size_loss

        options = self.options
        scores = scores.float()
        total = scores.sum() * 0.0  # so that there is a gradient, if all weights are 0
        if options["seed_weight"]:
            size = (scores.shape[2], scores.shape[3])
            regions = sampling_regions(cams, size, options["background"], options["erosion"])
            drawn = draw_labels(regions, options["pixels"], options["dilation"], generator)
            total = total + options["seed_weight"] * partial_cross_entropy(scores, drawn)
        if options["size_weight"]:
            total = total + options["size_weight"] * size_loss(scores.softmax(1), self.t)
        if options["crf_weight"]:
            total = total + options["crf_weight"] * self._crf(scores.softmax(1), images)
        return total

    def _crf(self, probabilities: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        from wsol.data.transforms import denormalise
        from wsol.losses.crf import crf_loss

        return crf_loss(
            probabilities,
            denormalise(images).permute(0, 3, 1, 2).to(probabilities.dtype),
            sigma_rgb=self.options["crf_sigma_rgb"],
            sigma_xy=self.options["crf_sigma_xy"],
            scale=self.options["crf_scale"],
            kernel=self.options["crf_kernel"],
        )


def seed_maps(name: str, classifier: Any, features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Maps (B, h, w) of one class an image, by a CAM method, from activations (B, C, h, w) that are there already."""
    if name == "cam":
        from wsol.attribution.capture import full_precision
        from wsol.attribution.select import of_classes

        with full_precision(features):  # under autocast too, as those of the other methods are
            return of_classes(classifier.class_maps(features.float()), targets)
    # Found by name; the code closure only sees imports.
    from wsol.attribution import gradcam, gradcam_pp, layercam, smooth_gradcam_pp, xgradcam  # noqa: F401
    from wsol.attribution.linear_head import maps_from_features

    return maps_from_features(name, classifier, features, targets)


def _refuse(name: str, value: Any, wanted: str) -> None:
    raise ParameterError(f"params/methods/{NAME}.yaml: option {name!r} is {value!r}; give {wanted}")
