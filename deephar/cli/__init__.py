"""The command line: arguments to calls of the library. Only here are arguments parsed."""

from deephar.cli.datasets import SYNTHETIC, open_ntu, open_videos
from deephar.cli.demo import annotate
from deephar.cli.evaluate import action_weights, evaluate_action_network, evaluate_network
from deephar.cli.options import (
    add_action_evaluation_arguments,
    add_evaluation_arguments,
    add_network_arguments,
    add_pose_training_arguments,
    add_precision_argument,
    parse_share,
    parse_shares,
    parse_subsampling,
)
from deephar.cli.train import (
    load_start,
    pose_config,
    require_depth_labels,
    set_precision,
    train_pose_network,
)
from deephar.errors import reporting_errors

__all__ = [
    "SYNTHETIC",
    "action_weights",
    "add_action_evaluation_arguments",
    "add_evaluation_arguments",
    "add_network_arguments",
    "add_pose_training_arguments",
    "add_precision_argument",
    "annotate",
    "evaluate_action_network",
    "evaluate_network",
    "load_start",
    "open_ntu",
    "open_videos",
    "parse_share",
    "parse_shares",
    "parse_subsampling",
    "pose_config",
    "reporting_errors",
    "require_depth_labels",
    "set_precision",
    "train_pose_network",
]
