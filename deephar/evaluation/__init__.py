"""Evaluation: from a network and a data set to scores, tables, files and figures.

Poses of persons in images:

    dataset = deephar.data.MPII("datasets/MPII", split="valid")
    evaluate_poses("vgg16-medium", dataset, score=score_mpii, out="runs/eval")

or step by step:

    model, config = deephar.weights.load_model("vgg16-medium")
    predictions = deephar.inference.predict_poses(model, config, dataset, crops="flip")
    scores = score_mpii(predictions, dataset)
    print_table(scores)
    scores.answer.total, scores.answer.per_group["Wrist"]

Actions of persons in videos, and their poses along the way:

    dataset = deephar.data.PennAction("datasets/PennAction", split="test")
    protocol = ActionProtocol(clips="multi", mirror=True)
    evaluate_actions("runs/penn/action/best.h5", dataset, out="runs/eval", protocol=protocol)

or step by step with `deephar.inference.predict_actions` and `score_actions`.

Actions of your own videos, in a folder for each action or listed in clips.csv:

    evaluate_videos(None, deephar.data.VideoFolder("clips"), out="runs/eval")
"""

from deephar.evaluation.action import ActionScores, score_actions
from deephar.evaluation.depth import depth_order
from deephar.evaluation.evaluate import (
    evaluate_actions,
    evaluate_poses,
    evaluate_presence,
    evaluate_videos,
    report_videos,
)
from deephar.evaluation.figures import save_figures
from deephar.evaluation.keypoints import KeypointScores, coco_results, score_keypoints
from deephar.evaluation.pose import (
    DepthScores,
    PoseScores,
    score_coco,
    score_in_box,
    score_lsp,
    score_mpii,
    score_mpjpe,
    score_pckh,
    score_penn,
)
from deephar.evaluation.results import write_results, write_videos
from deephar.evaluation.saved import save_predictions
from deephar.evaluation.tables import format_table, print_table, table_lines
from deephar.evaluation.videos import Rejection, VideoScores, score_videos

__all__ = [
    "ActionScores",
    "DepthScores",
    "KeypointScores",
    "PoseScores",
    "Rejection",
    "VideoScores",
    "coco_results",
    "depth_order",
    "evaluate_actions",
    "evaluate_poses",
    "evaluate_presence",
    "evaluate_videos",
    "format_table",
    "print_table",
    "report_videos",
    "save_figures",
    "save_predictions",
    "score_actions",
    "score_coco",
    "score_in_box",
    "score_keypoints",
    "score_lsp",
    "score_mpii",
    "score_mpjpe",
    "score_pckh",
    "score_penn",
    "score_videos",
    "table_lines",
    "write_results",
    "write_videos",
]
