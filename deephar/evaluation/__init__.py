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
protocol = ActionProtocol(clips="multi", mirror=True)
predictions = predict_actions(model, config, dataset, protocol=protocol)
scores = score_actions(predictions, dataset)
print(format_actions(scores))
scores.answer.total, scores.confusion
"""

from deephar.evaluation.action import ActionScores, score_actions
from deephar.evaluation.evaluate import evaluate_actions, evaluate_and_report, evaluate_in_space
from deephar.evaluation.figures import save_action_figures, save_figures
from deephar.evaluation.pose import (
    DepthScores,
    PoseScores,
    score_lsp,
    score_mpii,
    score_mpjpe,
    score_pckh,
    score_penn,
)
from deephar.evaluation.results import (
    write_action_results,
    write_results,
    write_space_results,
    write_videos,
)
from deephar.evaluation.saved import save_predictions
from deephar.evaluation.tables import (
    format_actions,
    format_space,
    format_table,
    print_table,
    table_lines,
)

__all__ = [
    "ActionScores",
    "DepthScores",
    "PoseScores",
    "evaluate_actions",
    "evaluate_and_report",
    "evaluate_in_space",
    "format_actions",
    "format_space",
    "format_table",
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
