"""Evaluation: from a network and a data set to scores, tables, files and figures.

model, config = deephar.weights.load_model("vgg16-mpii")
dataset = deephar.data.MPII("datasets/MPII", split="valid")
predictions = predict_poses(model, config, dataset, multi_crop=True)
scores = score_mpii(predictions, dataset)
print_table(scores)
scores.answer.total, scores.answer.per_group["Wrist"]
"""

from deephar.evaluation.pose import (
    PoseScores,
    Predictions,
    predict_poses,
    score_lsp,
    score_mpii,
)
from deephar.evaluation.report import (
    evaluate_and_report,
    format_table,
    print_table,
    save_figures,
    save_predictions,
    write_results,
)

__all__ = [
    "PoseScores",
    "Predictions",
    "evaluate_and_report",
    "format_table",
    "predict_poses",
    "print_table",
    "save_figures",
    "save_predictions",
    "score_lsp",
    "score_mpii",
    "write_results",
]
