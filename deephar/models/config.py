"""What a network is made of, and the variants that have names."""

import dataclasses
import json
from dataclasses import dataclass

from deephar.skeletons import get_skeleton

STEMS = ("vgg16",)
VISIBILITIES = ("sigmoid_max", "window_mass")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that decides the layers and shapes of a network.

    Attributes:
        stem: the feature extractor; ``"vgg16"``.
        skeleton: name of the joint layout that is predicted.
        image_size: side of the square input in pixels; a multiple of 64, from 64 up.
        stem_features: channels of the stem's output (stride 8). VGG-16 gives 1024; any other
            number adds a 1x1 projection.
        num_pyramids: downscaling and upscaling pyramids, in turn.
        num_levels: resolutions a pyramid passes through, the stem's included.
        growth: channels added with each level.
        kernel_size: side of the depth-wise kernels.
        visibility: ``"sigmoid_max"``, the sigmoid of the largest heat-map value, or
            ``"window_mass"``, the largest 2x2 probability mass.

    Raises:
        ValueError: a field has another type, is out of its range, or does not fit the others.
    """

    stem: str = "vgg16"
    skeleton: str = "pa16j"
    image_size: int = 256
    stem_features: int = 1024
    num_pyramids: int = 2
    num_levels: int = 4
    growth: int = 96
    kernel_size: int = 5
    visibility: str = "sigmoid_max"

    def __post_init__(self):
        get_skeleton(self.skeleton)
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if type(value) is not field.type:
                raise ValueError(f"{field.name} must be {field.type.__name__}, and is {value!r}")
        _check_choice("stem", self.stem, STEMS)
        _check_choice("visibility", self.visibility, VISIBILITIES)
        if self.image_size < 64 or self.image_size % 64:
            raise ValueError(
                f"image_size must be a multiple of 64 pixels, from 64 up, and is {self.image_size}"
            )
        smallest = {"stem_features": 1, "num_pyramids": 1, "num_levels": 2, "growth": 0}
        for field, least in smallest.items():
            if getattr(self, field) < least:
                raise ValueError(f"{field} must be at least {least}, and is {getattr(self, field)}")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive, and is {self.kernel_size}")
        if self.image_size % (stride := 8 * 2 ** (self.num_levels - 1)):
            raise ValueError(
                f"image_size must be a multiple of {stride} for num_levels={self.num_levels}, and "
                f"is {self.image_size}; use fewer levels, or another size"
            )

    @property
    def num_joints(self):
        return get_skeleton(self.skeleton).num_joints

    @property
    def num_predictions(self):
        """Prediction blocks of the network; the last one gives the answer."""
        return self.num_pyramids * (self.num_levels - 1)

    def to_json(self):
        """The config as one line of JSON, as it is stored in weight files."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text):
        """The inverse of ``to_json``.

        Raises:
            ValueError: not JSON of a config, or with a field that is not known; names it.
        """
        fields = json.loads(text)
        if not isinstance(fields, dict):
            raise ValueError(f"expected the fields of a network config, got {text}")
        unknown = sorted(set(fields) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise ValueError(
                f"the config has fields that this version of deephar does not know: "
                f"{', '.join(unknown)}; use the version that wrote it, or a newer one"
            )
        return cls(**fields)


def _check_choice(field, value, choices):
    if value not in choices:
        raise ValueError(f"{field} must be one of {', '.join(choices)}, and is {value!r}")


VARIANTS = {
    # The width of the thesis: the VGG-16 channels as they come, pyramids of 1024 to 1312.
    "vgg16": ModelConfig(),
    # Trains on a CPU: the same stem seen at 128 pixels, pyramids of 192 to 288 channels.
    "vgg16-light": ModelConfig(image_size=128, stem_features=192, growth=32),
}
"""Named configurations, for ``--variant`` of the scripts."""
