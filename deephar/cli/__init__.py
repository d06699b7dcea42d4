"""The command line: arguments to calls of the library. Only here are arguments parsed."""

import importlib

_NAMES = {
    "datasets": ["SYNTHETIC", "open_ntu", "open_videos"],
    "evaluate": ["action_weights", "evaluate_action_network", "evaluate_network"],
    "options": [
        "add_action_evaluation_arguments",
        "add_evaluation_arguments",
        "add_network_arguments",
        "add_pose_training_arguments",
        "add_precision_argument",
        "parse_share",
        "parse_shares",
        "parse_subsampling",
    ],
    "train": [
        "load_start",
        "pose_config",
        "require_depth_labels",
        "set_precision",
        "train_pose_network",
    ],
}


def __getattr__(name: str) -> object:
    # Most of these modules need Keras, which takes seconds to import; ``deephar --help`` does not.
    if name == "reporting_errors":
        from deephar.errors import reporting_errors

        return reporting_errors
    for module, names in _NAMES.items():
        if name in names:
            return getattr(importlib.import_module(f"deephar.cli.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
