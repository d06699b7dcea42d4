"""What a network is made of, and the variants that have names."""

import dataclasses
import json
from dataclasses import dataclass, field

from deephar.skeletons import get_skeleton

STEMS = ("vgg16", "vgg16-narrow", "none")
VISIBILITIES = ("sigmoid_max", "window_mass")
DEPTHS = ("volumetric", "regression")
STREAMS = ("pose", "appearance")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that decides the layers and shapes of a network.

    Attributes:
        stem: the feature extractor; ``"vgg16"``; ``"vgg16-narrow"``, a quarter as wide and with
            batch normalisation, to be trained from random weights; or ``"none"`` for a network of
            the action heads alone, which takes poses in place of images.
        skeleton: name of the joint layout that is predicted.
        dim: 2 or 3, coordinates of a joint.
        depth: how z is predicted if ``dim`` is 3: ``"volumetric"``, 16 heat maps a joint (the
            paper), or ``"regression"``, a depth map weighted by the heat map (SPNet).
        image_size: side of the square input in pixels; a multiple of 64, from 64 up.
        stem_features: channels of the stem's output (stride 8). VGG-16 gives 1024; any other
            number adds a 1x1 projection.
        num_pyramids: downscaling and upscaling pyramids, in turn.
        num_levels: resolutions a pyramid passes through, the stem's included.
        growth: channels added with each level.
        kernel_size: side of the depth-wise kernels.
        visibility: ``"sigmoid_max"``, the sigmoid of the largest heat-map value, or
            ``"window_mass"``, the largest 2x2 probability mass.
        num_frames: frames of the clips it is trained on; None if it knows no actions.
        actions: classes of each action head, by data set, as ``{"penn": 15}``; empty for a network
            that predicts the pose only.
        streams: what the actions are predicted from: ``"pose"``, ``"appearance"``, or both.
        pose_features: width of the pose stream, and of what joins the two; a multiple of 16.
        appearance_features: width of the appearance stream.

    Raises:
        ValueError: a field has another type, is out of its range, or does not fit the others.
    """

    stem: str = "vgg16"
    skeleton: str = "pa16j"
    dim: int = 2
    depth: str | None = None
    image_size: int = 256
    stem_features: int = 1024
    num_pyramids: int = 2
    num_levels: int = 4
    growth: int = 96
    kernel_size: int = 5
    visibility: str = "sigmoid_max"
    num_frames: int | None = None
    actions: dict = field(default_factory=dict)
    streams: tuple = STREAMS
    pose_features: int = 160
    appearance_features: int = 160

    def __post_init__(self):
        object.__setattr__(self, "actions", dict(self.actions))
        object.__setattr__(self, "streams", tuple(self.streams))
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if isinstance(value, bool) or not isinstance(value, item.type):
                kind = getattr(item.type, "__name__", str(item.type))
                raise ValueError(f"{item.name} must be {kind}, and is {value!r}")
        get_skeleton(self.skeleton)
        self._check_depth()
        self._check_actions()
        _check_choice("stem", self.stem, STEMS)
        _check_choice("visibility", self.visibility, VISIBILITIES)
        if self.image_size < 64 or self.image_size % 64:
            raise ValueError(
                f"image_size must be a multiple of 64 pixels, from 64 up, and is {self.image_size}"
            )
        smallest = {"stem_features": 1, "num_pyramids": 1, "num_levels": 2, "growth": 0}
        for name, least in smallest.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, and is {getattr(self, name)}")
        if self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive, and is {self.kernel_size}")
        if self.image_size % (stride := 8 * 2 ** (self.num_levels - 1)):
            raise ValueError(
                f"image_size must be a multiple of {stride} for num_levels={self.num_levels}, and "
                f"is {self.image_size}; use fewer levels, or another size"
            )

    def _check_depth(self):
        if self.dim not in (2, 3):
            raise ValueError(f"dim must be 2 or 3, and is {self.dim}")
        if (self.depth is None) != (self.dim == 2):
            raise ValueError(f"depth={self.depth!r} does not go with dim={self.dim}")
        if self.depth is not None:
            _check_choice("depth", self.depth, DEPTHS)

    def _check_actions(self):
        for name, classes in self.actions.items():
            if type(classes) is not int or classes < 2:
                raise ValueError(
                    f"actions: {name!r} must have 2 classes or more, and has {classes}"
                )
        for stream in self.streams:
            _check_choice("streams", stream, STREAMS)
        if len(set(self.streams)) != len(self.streams) or not self.streams:
            raise ValueError(f"streams must name one or two streams, and is {self.streams}")
        if self.pose_features < 16 or self.pose_features % 16:
            raise ValueError(f"pose_features must be a multiple of 16, and is {self.pose_features}")
        if self.actions and (self.num_frames is None or self.num_frames < 4):
            raise ValueError(
                f"num_frames must be at least 4 for a network of actions, and is {self.num_frames}"
            )
        if self.stem == "none" and (not self.actions or self.streams != ("pose",)):
            raise ValueError(
                'stem="none" makes a network of poses to actions: it needs actions, and '
                'streams=("pose",)'
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
    # Trains on a CPU in minutes, from random weights: the narrow stem, 64 pixels.
    "vgg16-light-64": ModelConfig(
        stem="vgg16-narrow",
        image_size=64,
        stem_features=96,
        num_levels=3,
        growth=16,
        pose_features=64,
        appearance_features=32,
    ),
}
"""Named configurations, for ``--variant`` of the scripts."""
