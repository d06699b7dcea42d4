"""The config of a network of the authors, inferred from the layers in its weights file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import h5py

from deephar.models import ModelConfig, ReceptionConfig
from deephar.weights import keras2
from deephar.weights.files import keras2_root, opened

SKELETONS = {16: "pa16j", 17: "pa17j", 20: "pa20j"}
"""The authors' joint layouts, by number of joints."""

HEADS = {15: "penn", 60: "ntu"}
"""Data sets of actions, by number of classes."""

ASSUMED = {
    ModelConfig: "sam_alpha=1 (else convert the file with --sam-alpha), and max pooling between "
    "resolutions",
    ReceptionConfig: "alpha=0.8 for contextual maps, a stride of 8 before the first block, and the "
    "visibility of the authors' branch cvpr18",
}
"""What no layer of a network of the authors tells, by the class of its config."""

_HEAD_NAME = re.compile(r"[A-Za-z0-9_-]+")


def infer_config(
    path: str | Path, num_frames: int | None = None, *, heads: Sequence[str] = ()
) -> ModelConfig | ReceptionConfig:
    """The config of a network of the authors, inferred from the layers in its weights file.

    What no layer tells is taken to be as in the networks that the authors have released, see
    `ASSUMED`.

    Args:
        path: a file of Keras 2 of an SPNet or a ReceptionNet, with or without actions.
        num_frames: frames of the clips that the network takes, which no layer tells; None for a
            network of poses only.
        heads: names of the action heads, in order; by default ``"penn"`` for 15 classes, ``"ntu"``
            for 60, and ``"actions"`` for others.

    Returns:
        The ``ModelConfig`` or ``ReceptionConfig``.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is damaged, or is not of a network of the authors; or the network has
            actions and `num_frames` is None.
    """
    kind, fields = infer_fields(path, heads)
    if fields["actions"] and num_frames is None:
        usual = _usual_frames(fields)
        out = Path(path).with_name(f"{Path(path).stem}-converted.h5")
        words = ["deephar", "convert", str(path), str(out), "--frames", str(usual)]
        raise ValueError(
            f"{path} is a network of actions, whose layers do not tell the number of frames of a "
            f"clip. Convert the file once, with the number that it was trained with (it is {usual} "
            f"in the authors' network of this kind): {shlex.join(words)}"
        )
    try:
        return kind(**fields, num_frames=num_frames if fields["actions"] else None)
    except ValueError as error:
        raise ValueError(f"{path} is a network that cannot be built: {error}") from error


def infer_fields(
    path: str | Path, heads: Sequence[str] = ()
) -> tuple[type[ModelConfig] | type[ReceptionConfig], dict]:
    """The class of the config that `infer_config` gives, and all fields but ``num_frames``.

    Raises:
        FileNotFoundError, ValueError: As `infer_config`.
    """
    kind, fields = _infer_fields(path)
    fields["actions"] = _named_heads(fields["actions"], heads, path)
    return kind, fields


def differences(path: str | Path, config: ModelConfig | ReceptionConfig) -> list[str]:
    """How the network of a file of the authors differs from that of a config.

    Names of the heads and frames of a clip are not compared, since no layer tells them; nor is
    ``pose_replica``: the authors load their files by name, so a file may hold a replica that the
    network of their script does not have.

    Returns:
        A list of texts, ``"field=value instead of value"``; empty if there is no difference.

    Raises:
        FileNotFoundError, ValueError: As `infer_config`.
    """
    kind, fields = _infer_fields(path)
    if not isinstance(config, kind):
        return [f"a {kind.__name__} instead of a {type(config).__name__}"]
    expected = {**vars(config), "actions": list(config.actions.values())}
    fields.pop("pose_replica", None)
    return [
        f"{name}={value!r} instead of {expected[name]!r}"
        for name, value in fields.items()
        if value != expected[name]
    ]


def _infer_fields(path: str | Path) -> tuple[type, dict]:
    """As `infer_fields`, but with the action heads as a list of their numbers of classes."""
    with opened(path) as file:
        root = keras2_root(file)
        layers = keras2.layer_weights(root, path) if root is not None else {}
        if "rBlock1_sepconv_l1_conv" in layers:
            return ReceptionConfig, _reception_fields(_Shapes(layers, path), root)
        if "res0_conv2" in layers and "dp1_pb1_conv1" in layers:
            return ModelConfig, _spnet_fields(_Shapes(layers, path), root)
    raise ValueError(
        f"{path} holds no network config, and its layers are not those of a network of the "
        "authors. Build the model yourself and call deephar.weights.load(model, path)."
    )


def _usual_frames(fields: dict) -> int:
    """Frames of a clip in the network of this kind that the authors have released."""
    if "action_version" not in fields:
        return 8
    return {"v1": 16, "v2": 20}[fields["action_version"]]


class _Shapes:
    """Shapes of the weights, by layer; a missing layer raises a ValueError with its name."""

    def __init__(self, layers: dict, path: str | Path) -> None:
        self._layers = layers
        self.path = path

    def __call__(self, layer: str, weight: str = "kernel") -> tuple[int, ...]:
        weights = self._layers.get(layer, {})
        if not isinstance(weights, dict) or weight not in weights:
            raise ValueError(
                f"{self.path} resembles a network of the authors, but lacks the layer {layer}. "
                "Download the file again."
            )
        return weights[weight].shape

    def __contains__(self, layer: str) -> bool:
        return layer in self._layers

    def count(self, pattern: str) -> int:
        """The largest number that a pattern finds in the layers' names; 0 if it finds none."""
        found = (re.match(pattern, layer) for layer in self._layers)
        return max((int(match[1]) for match in found if match), default=0)

    def grid(self, root: h5py.Group, group: str) -> tuple[int, int, int]:
        """Height, width and joints of the constant layer of a soft-argmax."""
        grid = None
        if group in root:  # visititems stops at the first result
            grid = root[group].visititems(
                lambda name, item: item.shape[:3] if name.endswith("depthwise_kernel:0") else None
            )
        if grid is None:
            raise ValueError(
                f"{self.path} lacks the grid of the soft-argmax ({group}), which tells the size of "
                "the images. Give a file that the authors' code has saved."
            )
        return grid

    def skeleton(self, joints: int) -> str:
        if joints not in SKELETONS:
            raise ValueError(
                f"{self.path} is a network of {joints} joints. The authors' layouts have "
                f"{', '.join(map(str, SKELETONS))} joints."
            )
        return SKELETONS[joints]

    def action_version(self) -> str:
        # A draft of v2 had no layers of 12, 24 and 36 channels.
        versions, width = {8: "v1", 12: "v2"}, self("PoseAR_conv2d_1")[-1]
        if width not in versions:
            raise ValueError(
                f"{self.path} has a pose stream for actions that begins with {width} channels. The "
                "authors' versions begin with 8 (v1) or 12 (v2)."
            )
        return versions[width]

    def require_square(self, height: int, width: int) -> None:
        if height != width:
            raise ValueError(
                f"{self.path} is a network of images that are not square (heat maps of {height} x "
                f"{width}). Give a network of square images."
            )


def _reception_fields(shapes: _Shapes, root: h5py.Group) -> dict:
    if "sepconv1_conv" in shapes:  # in the other stem, it is Stem_sepconv1_conv
        raise ValueError(
            f"{shapes.path} is a ReceptionNet with old_model=True, whose stem is not built here. "
            "Use the authors' code, or train the network again."
        )
    height, width, joints = shapes.grid(root, "sSAM")
    shapes.require_square(height, width)
    maps = shapes("RegMap1_conv2d_1")[-1] // joints
    grid = keras2.depth_grid(root)
    in_space = {"dim": 3, "context_maps": 0, "depth_maps": maps, "depth_grid": grid}
    fields = {
        "skeleton": shapes.skeleton(joints),
        "image_size": 8 * height,
        "num_blocks": shapes.count(r"rBlock(\d+)_"),
        "kernel_size": shapes("rBlock1_sepconv_l1_conv", "depthwise_kernel")[0],
        **({"dim": 2, "context_maps": maps - 1} if grid is None else in_space),
        "actions": [],
    }
    if "merge_pose" in shapes:
        fields["actions"] = [shapes("merge_pose", "depthwise_kernel")[2]]
        fields["action_version"] = shapes.action_version()
    return fields


def _spnet_fields(shapes: _Shapes, root: h5py.Group) -> dict:
    if shapes.count(r".*_convtrans(\d+)$"):
        raise ValueError(
            f"{shapes.path} is an SPNet with downsampling_type='conv', whose strided convolutions "
            "are not built here. Use the authors' code, or train the network again."
        )
    # The first block of predictions is one level below the stem's output.
    height, width, joints = shapes.grid(root, "dp1_pb1_xy_x")
    shapes.require_square(height, width)
    # res0 to res2 reach stride 4; every two more double it.
    stride = 4 * 2 ** ((shapes.count(r"res(\d+)_") - 2) // 2)
    kernel_size, _, stem_features, _ = shapes("dp1_du1_r0_conv1", "depthwise_kernel")
    in_space = "dp1_pb1_depthmaps_conv1" in shapes
    fields = {
        "stem": "residual",
        "stem_stride": stride,
        "stem_features": stem_features,
        "skeleton": shapes.skeleton(joints),
        "image_size": 2 * stride * height,
        "dim": 3 if in_space else 2,
        "depth": "regression" if in_space else None,
        "num_pyramids": shapes.count(r"(?:dp|up)(\d+)_pb"),
        "num_levels": 1 + shapes.count(r"dp1_pb(\d+)_"),
        "growth": shapes("res0_conv2")[-1],
        "kernel_size": kernel_size,
        "visibility": "window_mass",
        "centred": False,
        "actions": [],
    }
    if shapes.count(r"act(\d+)_action_"):
        fields.update(_spnet_action_fields(shapes, fields))
    return fields


def _spnet_action_fields(shapes: _Shapes, fields: dict) -> dict:
    num_heads = 1 + shapes.count(r"act1_action_pred_conv2h(\d+)")
    blocks = shapes.count(r"act(\d+)_action_")
    pyramids = fields["num_pyramids"]
    with_actions = blocks // (fields["num_levels"] - 1)
    replica = shapes.count(r"(?:dp|up)(\d+)_pb\d+_heatmaps_conv1_replica")
    # These layers lie between action blocks: one pyramid of two levels with actions has none.
    last = max(shapes.count(r"(?:dp|up)(\d+)_[du]u\d+_action_r0"), replica)
    if with_actions != pyramids and not last:
        raise ValueError(
            f"{shapes.path} has layers that do not tell which pyramid has the actions. Build the "
            "model yourself and call deephar.weights.load(model, path)."
        )
    return {
        "actions": [shapes(f"act1_action_pred_conv2h{head}")[-1] for head in range(num_heads)],
        "pose_features": 4 * shapes("act1_action_p_conv0c")[-1],
        "appearance_features": shapes("act1_action_v_conv0")[-1],
        "pose_replica": bool(replica),
        "action_pyramids": ()
        if with_actions == pyramids
        else tuple(range(last - with_actions + 1, last + 1)),
    }


def _named_heads(classes: list[int], heads: Sequence[str], path: str | Path) -> dict[str, int]:
    for name in heads:
        if not _HEAD_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} cannot be the name of a head of {path}. Use letters, digits, - and _."
            )
    heads = tuple(heads) or tuple(HEADS.get(count, "actions") for count in classes)
    if len(heads) != len(classes) or len(set(heads)) != len(heads):
        raise ValueError(
            f"{path} has {len(classes)} action heads ({', '.join(map(str, classes)) or 'no'} "
            f"classes), and the names given are {', '.join(heads)}. Give as many different names."
        )
    return dict(zip(heads, classes, strict=True))
