"""Configs of networks, and named variants."""

import dataclasses
import json
from dataclasses import dataclass, field

from deephar.skeletons import Skeleton, get_skeleton

STEMS = ("vgg16", "vgg16-narrow", "residual", "inception", "none")
VISIBILITIES = ("sigmoid_max", "window_mass")
DEPTH_GRIDS = ("inclusive", "centres")
ACTION_VERSIONS = ("v1", "v2")
DEPTHS = ("volumetric", "regression")
STREAMS = ("pose", "appearance")

HEAD_FIELDS = (
    "num_frames",
    "actions",
    "streams",
    "pose_features",
    "appearance_features",
    "centred",
    "last_pose",
    "readout_of",
    "readout_stem",
)
"""Fields of a `ModelConfig` that decide the action heads, and nothing of the pose network."""

# Allowed strides of stems with a choice of several.
_STRIDES = {"vgg16": (4, 8), "residual": (4, 8, 16)}


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Everything that decides the layers and shapes of a network.

    Attributes:
        stem: the feature extractor: ``"vgg16"``; ``"vgg16-narrow"``, a quarter as wide and with
            batch normalisation, to be trained from random weights; ``"residual"``, that of the
            authors' SPNet; ``"inception"``, that of their ReceptionNet; or ``"none"`` for the
            action heads alone, which take poses instead of images.
        skeleton: name of the joint layout that is predicted, or a `Skeleton` of your own, which
            then travels with the weights.
        dim: 2 or 3, coordinates of a joint.
        depth: how z is predicted if ``dim`` is 3: ``"volumetric"``, 16 heat maps a joint (the
            paper), or ``"regression"``, a depth map weighted by the heat map (SPNet).
        image_size: side of the square input in pixels, at least 64; a multiple of 64 for VGG-16.
        stem_features: channels of the stem's output. VGG-16 gives 1024 at stride 8; any other
            number adds 1x1 projections.
        stem_stride: pixels of the image from one position of the stem's output to the next: 8;
            for VGG-16 also 4, for the residual stem also 4 or 16.
        num_pyramids: number of pyramids, alternately downscaling and upscaling.
        num_levels: number of resolutions in a pyramid, including that of the stem.
        growth: channels added with each level.
        kernel_size: side of the depth-wise kernels.
        visibility: ``"sigmoid_max"``, the sigmoid of the largest heat-map value, or
            ``"window_mass"``, the largest 2x2 probability mass.
        peak_window: at inference, soft-argmax reads only so many positions of a heat map on each
            side of its maximum; 0 for the whole map, as in the papers. Use it only if the heat maps
            were supervised (`PoseTraining.heat_map_weight`). Otherwise the maximum of a map may
            be far from the joint.
        num_frames: frames of the clips it is trained on; None if it knows no actions.
        actions: classes of each action head, by data set, as ``{"penn": 15}``; empty for a network
            that predicts the pose only.
        streams: what the actions are predicted from: ``"pose"``, ``"appearance"``, or both.
        pose_features: width of the pose stream; a multiple of 16.
        appearance_features: width of the appearance stream. The fused features have the larger
            of the two widths.
        action_pyramids: numbers of the pyramids that have action blocks, from 1, in order and
            without a gap; empty for all.
        pose_replica: whether actions are predicted from a copy of the heat maps. Fine-tuning on
            actions may change the copy without changing the predicted pose.
        centred: whether coordinates range from -1 to 1 in the pose stream. Hidden joints, which are
            set to 0, then lie in the middle. In the authors' networks, they range from 0 to 1.
        last_pose: whether all action blocks see the last prediction of the pose, the best one, in
            place of that of their own block. It is for heads that learned from labels, which have
            one pose.
        readout_of: classes of the heads that the action blocks were trained with, as
            ``{"penn": 16}``, for a linear readout: the blocks stay as they are and see the pose
            alone, and `actions` are told by one linear layer from what they make of it, and from
            how the appearance changes. Empty for action blocks that answer themselves.
        readout_stem: whether a readout that sees the appearance also sees how ``block4_conv3`` of
            a VGG-16 stem changes. The training of poses changes this layer little, or not at all
            if ``freeze_stem`` is 4.

    Raises:
        ValueError: A field has another type, is out of its range, or does not fit the others.
    """

    stem: str = "vgg16"
    skeleton: str | Skeleton = "pa16j"
    dim: int = 2
    depth: str | None = None
    image_size: int = 256
    stem_features: int = 1024
    stem_stride: int = 8
    num_pyramids: int = 2
    num_levels: int = 4
    growth: int = 96
    kernel_size: int = 5
    visibility: str = "sigmoid_max"
    peak_window: int = 0
    num_frames: int | None = None
    actions: dict = field(default_factory=dict)
    streams: tuple = STREAMS
    pose_features: int = 160
    appearance_features: int = 160
    action_pyramids: tuple = ()
    pose_replica: bool = False
    centred: bool = True
    last_pose: bool = False
    readout_of: dict = field(default_factory=dict)
    readout_stem: bool = False

    def __post_init__(self):
        object.__setattr__(self, "actions", dict(self.actions))
        object.__setattr__(self, "readout_of", dict(self.readout_of))
        object.__setattr__(self, "streams", tuple(self.streams))
        object.__setattr__(self, "action_pyramids", tuple(self.action_pyramids))
        _check_types(self)
        get_skeleton(self.skeleton)
        self._check_depth()
        self._check_streams()
        _check_actions(self.actions, self.num_frames)
        _check_classes("readout_of", self.readout_of)
        _check_kernel_size(self.kernel_size)
        _check_choice("stem", self.stem, STEMS)
        _check_choice("visibility", self.visibility, VISIBILITIES)
        _check_at_least(
            self, stem_features=1, num_pyramids=1, num_levels=2, growth=0, peak_window=0
        )
        self._check_sizes()

    def _check_depth(self):
        _check_dim(self.dim)
        if (self.depth is None) != (self.dim == 2):
            raise ValueError(
                f"depth={self.depth!r} does not go with dim={self.dim}. Give depth for dim=3 only."
            )
        if self.depth is not None:
            _check_choice("depth", self.depth, DEPTHS)

    def _check_sizes(self):
        _check_choice("stem_stride", self.stem_stride, _STRIDES.get(self.stem, (8,)))
        unit = 1 if self.stem == "residual" else 64
        if self.image_size < 64 or self.image_size % unit:
            raise ValueError(
                f"image_size must be a multiple of 64 pixels, from 64 up, got {self.image_size}."
            )
        if self.image_size % (stride := self.stem_stride * 2 ** (self.num_levels - 1)):
            raise ValueError(
                f"image_size must be a multiple of {stride} for num_levels={self.num_levels}, got "
                f"{self.image_size}. Use fewer levels, or another size."
            )
        _check_stem_features(self)

    def _check_streams(self):
        for stream in self.streams:
            _check_choice("streams", stream, STREAMS)
        if len(set(self.streams)) != len(self.streams) or not self.streams:
            raise ValueError(f"streams must name one or two streams, got {self.streams}.")
        if self.pose_features < 16 or self.pose_features % 16:
            raise ValueError(f"pose_features must be a multiple of 16, got {self.pose_features}.")
        pyramids = self.action_pyramids
        if pyramids and pyramids != tuple(range(pyramids[0], pyramids[-1] + 1)):
            raise ValueError(
                f"action_pyramids must be neighbours, in order, as in (5, 6), got {pyramids}."
            )
        if pyramids and not 1 <= pyramids[0] <= pyramids[-1] <= self.num_pyramids:
            raise ValueError(
                f"action_pyramids must be from 1 to num_pyramids={self.num_pyramids}, got "
                f"{pyramids}."
            )
        if self.stem == "none" and (not self.actions or self.streams != ("pose",)):
            raise ValueError(
                'stem="none" is for a network that predicts actions from poses. It needs actions, '
                'and streams=("pose",).'
            )
        if self.readout_of and (self.stem == "none" or self.pose_replica):
            raise ValueError(
                "A readout (readout_of) stands on a pose network with one prediction of the pose. "
                "Give a stem, and pose_replica=False."
            )
        if self.readout_stem and not (self.readout_of and self.stem == "vgg16"):
            raise ValueError(
                "readout_stem is for a readout (readout_of) on a VGG-16 stem. Give readout_of and "
                'stem="vgg16", or readout_stem=False.'
            )

    @property
    def num_joints(self) -> int:
        return get_skeleton(self.skeleton).num_joints

    @property
    def num_predictions(self) -> int:
        """Prediction blocks of the pose; the last one gives the answer."""
        return self.num_pyramids * (self.num_levels - 1)

    @property
    def num_action_predictions(self) -> int:
        """Prediction blocks of the actions: those of the pyramids that have any."""
        return len(self.pyramids_with_actions) * (self.num_levels - 1)

    @property
    def pyramids_with_actions(self) -> tuple[int, ...]:
        """Numbers of the pyramids that have action blocks; empty without actions."""
        everywhere = tuple(range(1, self.num_pyramids + 1))
        return (self.action_pyramids or everywhere) if self.actions else ()

    def to_json(self) -> str:
        """The config as one line of JSON, as it is stored in weight files."""
        return json.dumps(dataclasses.asdict(self))


@dataclass(frozen=True, kw_only=True)
class ReceptionConfig:
    """Everything that decides the layers and shapes of a ReceptionNet, the CVPR 2018 network.

    Attributes:
        skeleton: as of `ModelConfig`.
        dim: 2 or 3, coordinates of a joint; depth is volumetric.
        image_size: side of the square input in pixels; a multiple of 32.
        num_blocks: reception blocks, each with a prediction of the pose.
        stem: as of `ModelConfig`; the authors' is ``"inception"``.
        stem_features: channels of the stem's output, and of the blocks; a multiple of 2.
        kernel_size: side of the depth-wise kernels of the blocks.
        context_maps: contextual heat maps of each joint, for ``dim=2``; 0 for none.
        depth_maps: heat maps of each joint along depth, for ``dim=3``.
        depth_grid: positions of these maps between 0 and 1: ``"inclusive"``, with both ends, or
            ``"centres"``, the centres of equal intervals. The authors have used both.
        num_frames: frames of the clips it is trained on; None if it knows no actions.
        actions: classes of its action head, by data set, as ``{"penn": 15}``; empty for a network
            that predicts the pose only.
        action_version: the authors' pose stream ``"v1"`` (Penn Action) or ``"v2"`` (NTU).

    Raises:
        ValueError: A field has another type, is out of its range, or does not fit the others.
    """

    skeleton: str | Skeleton = "pa16j"
    dim: int = 2
    image_size: int = 256
    num_blocks: int = 8
    stem: str = "inception"
    stem_features: int = 576
    kernel_size: int = 5
    context_maps: int = 2
    depth_maps: int = 16
    depth_grid: str = "inclusive"
    num_frames: int | None = None
    actions: dict = field(default_factory=dict)
    action_version: str = "v1"

    def __post_init__(self):
        object.__setattr__(self, "actions", dict(self.actions))
        _check_types(self)
        get_skeleton(self.skeleton)
        _check_dim(self.dim)
        _check_kernel_size(self.kernel_size)
        _check_actions(self.actions, self.num_frames)
        _check_choice("stem", self.stem, [stem for stem in STEMS if stem != "none"])
        _check_choice("depth_grid", self.depth_grid, DEPTH_GRIDS)
        _check_choice("action_version", self.action_version, ACTION_VERSIONS)
        _check_at_least(
            self, image_size=32, stem_features=2, num_blocks=1, context_maps=0, depth_maps=2
        )
        if self.image_size % 32:
            raise ValueError(f"image_size must be a multiple of 32 pixels, got {self.image_size}.")
        if self.stem_features % 2:
            raise ValueError(f"stem_features must be even, got {self.stem_features}.")
        _check_stem_features(self)
        if self.dim == 3 and self.context_maps:
            raise ValueError(
                f"Contextual maps are for dim=2 only. context_maps must be 0 for dim=3, got "
                f"{self.context_maps}."
            )
        if len(self.actions) > 1:
            raise ValueError(f"A ReceptionNet has one action head, got actions={self.actions}.")

    @property
    def num_joints(self) -> int:
        return get_skeleton(self.skeleton).num_joints

    @property
    def num_predictions(self) -> int:
        """Poses that the network gives; of a network with actions, only the last block's."""
        return 1 if self.actions else self.num_blocks

    @property
    def num_action_predictions(self) -> int:
        """Predictions of the action head: four of each stream, then one of both merged."""
        return 9 if self.actions else 0

    @property
    def depth(self) -> str | None:
        """As `ModelConfig.depth`."""
        return "volumetric" if self.dim == 3 else None

    @property
    def stem_stride(self) -> int:
        """As `ModelConfig.stem_stride`."""
        return 8

    @property
    def streams(self) -> tuple[str, ...]:
        """As `ModelConfig.streams`."""
        return STREAMS

    def to_json(self) -> str:
        """The config as one line of JSON, as it is stored in weight files."""
        return json.dumps({"network": "reception", **dataclasses.asdict(self)})


def config_from_json(text: str) -> ModelConfig | ReceptionConfig:
    """The ``ModelConfig`` or ``ReceptionConfig`` that ``to_json`` has written.

    Raises:
        ValueError: The text is not JSON of a config, or a field is unknown. The message names it.
    """
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise ValueError(f"Expected the fields of a network config as a JSON object, got {text}.")
    network = fields.pop("network", "pyramids")
    kinds = {"pyramids": ModelConfig, "reception": ReceptionConfig}
    _check_choice("network", network, kinds)
    kind = kinds[network]
    unknown = sorted(set(fields) - {item.name for item in dataclasses.fields(kind)})
    if unknown:
        raise ValueError(
            "The config has fields that this version of deephar does not know: "
            f"{', '.join(unknown)}. Use the version that wrote it, or a newer one."
        )
    if isinstance(fields.get("skeleton"), dict):
        fields["skeleton"] = Skeleton.from_fields(fields["skeleton"])
    return kind(**fields)


def in_space(config: ModelConfig | ReceptionConfig, depth: str) -> ModelConfig | ReceptionConfig:
    """A config of the same network for 3D poses.

    Args:
        config: of a network of 2D or 3D poses.
        depth: how depth is predicted, see `ModelConfig`.

    Raises:
        ValueError: The network cannot predict depth in this way.
    """
    if isinstance(config, ModelConfig):
        return dataclasses.replace(config, dim=3, depth=depth)
    if depth != "volumetric":
        raise ValueError(f"A ReceptionNet predicts volumetric depth only, got depth={depth!r}.")
    return dataclasses.replace(config, dim=3, context_maps=0)


def _check_types(config):
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if isinstance(value, bool) != (item.type is bool) or not isinstance(value, item.type):
            kind = getattr(item.type, "__name__", str(item.type))
            raise ValueError(f"{item.name} must be {kind}, got {value!r}.")


def _check_at_least(config, **smallest):
    for name, least in smallest.items():
        if getattr(config, name) < least:
            raise ValueError(f"{name} must be at least {least}, got {getattr(config, name)}.")


def _check_stem_features(config):
    """Checks that the channels of a residual stem can be divided as its units need."""
    unit = 2 * (config.stem_stride.bit_length() - 1)
    if config.stem == "residual" and config.stem_features % unit:
        raise ValueError(
            f"stem_features must be a multiple of {unit} for a residual stem of stride "
            f"{config.stem_stride}, got {config.stem_features}."
        )


def _check_dim(dim):
    if dim not in (2, 3):
        raise ValueError(f"dim must be 2 or 3, got {dim}.")


def _check_kernel_size(size):
    if size < 1 or size % 2 == 0:
        raise ValueError(f"kernel_size must be odd and positive, got {size}.")


def _check_classes(field, actions):
    for name, classes in actions.items():
        if type(classes) is not int or classes < 2:
            raise ValueError(f"{field}: {name!r} must have at least 2 classes, got {classes}.")


def _check_actions(actions, num_frames):
    _check_classes("actions", actions)
    if actions and (num_frames is None or num_frames < 4):
        raise ValueError(
            f"num_frames must be at least 4 for a network of actions, got {num_frames}."
        )


def _check_choice(field, value, choices):
    if value not in choices:
        raise ValueError(f"{field} must be one of {', '.join(map(str, choices))}, got {value!r}.")


def _spnet(**fields):
    """A config of the authors' SPNet with the fields that all of them share."""
    return ModelConfig(
        stem="residual", stem_features=288, visibility="window_mass", centred=False, **fields
    )


VARIANTS = {
    # The width of the thesis: all channels of VGG-16, pyramids of 1024 to 1312 channels.
    "vgg16": ModelConfig(),
    # The same stem and image size, narrower: small enough to ship, and to train on a CPU in hours.
    # The stem has stride 4, so heat maps are twice as fine.
    "vgg16-medium": ModelConfig(stem_features=192, stem_stride=4, growth=32),
    # The same network for images of 128 pixels. Trains on a CPU and runs there in real time.
    "vgg16-light": ModelConfig(image_size=128, stem_features=192, stem_stride=4, growth=32),
    # The narrow stem, 64 pixels. Trains on a CPU in minutes, from random weights.
    "vgg16-light-64": ModelConfig(
        stem="vgg16-narrow",
        image_size=64,
        stem_features=96,
        num_levels=3,
        growth=16,
        pose_features=64,
        appearance_features=32,
    ),
    # The authors' own networks, as they trained them on these data sets.
    "reception-mpii": ReceptionConfig(),
    "reception-h36m": ReceptionConfig(skeleton="pa17j", dim=3, context_maps=0),
    "spnet-mpii": _spnet(num_pyramids=8),
    "spnet-penn": _spnet(num_frames=8, actions={"penn": 15}),
    "spnet-ntu": _spnet(
        skeleton="pa17j",
        dim=3,
        depth="regression",
        num_frames=8,
        actions={"ntu": 60},
        pose_features=192,
        appearance_features=192,
    ),
}
"""Named configurations, for ``--variant`` of the scripts."""
