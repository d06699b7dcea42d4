"""Evaluation: from a network and a data set to scores, tables, files and figures.

Poses of persons in images:

model, config = deephar.weights.load_model("vgg16-medium")
dataset = deephar.data.MPII("datasets/MPII", split="valid")
predictions = predict_poses(model, config, dataset, crops="flip")
scores = score_mpii(predictions, dataset)
print_table(scores)
scores.answer.total, scores.answer.per_group["Wrist"]

Actions of persons in videos, and their poses along the way:

dataset = deephar.data.PennAction("datasets/PennAction", split="test")
predictions = predict_actions(model, config, dataset, clips="multi", mirror=True)
scores = score_actions(predictions, dataset)
print(format_actions(scores))
scores.answer.total, scores.confusion
"""

from deephar.evaluation.action_report import (
    evaluate_actions,
    format_actions,
    save_action_figures,
    write_action_results,
    write_videos,
)
from deephar.evaluation.figures import (
    evaluate_and_report,
    format_table,
    print_table,
    save_figures,
    save_predictions,
    table_lines,
    write_results,
)
from deephar.evaluation.pose import (
    DepthScores,
    PoseScores,
    Predictions,
    predict_poses,
    score_lsp,
    score_mpii,
    score_mpjpe,
    score_pckh,
    score_penn,
)
from deephar.evaluation.space_report import evaluate_in_space, format_space, write_space_results
from deephar.inference.actions import (
    ActionPredictions,
    ActionScores,
    predict_actions,
    score_actions,
)
from deephar.inference.boxes import box_of_poses, full_box, predicted_boxes

__all__ = [
    "ActionPredictions",
    "ActionScores",
    "DepthScores",
    "PoseScores",
    "Predictions",
    "box_of_poses",
    "evaluate_actions",
    "evaluate_and_report",
    "evaluate_in_space",
    "format_actions",
    "format_space",
    "format_table",
    "full_box",
    "predict_actions",
    "predict_poses",
    "predicted_boxes",
    "print_table",
    "save_action_figures",
    "save_figures",
    "save_predictions",
    "score_actions",
    "score_lsp",
    "score_mpii",
    "score_mpjpe",
    "score_pckh",
    "score_penn",
    "table_lines",
    "write_action_results",
    "write_results",
    "write_space_results",
    "write_videos",
]
