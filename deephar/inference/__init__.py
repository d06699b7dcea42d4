"""Inference: what a trained network says of pictures, videos and data sets.

Poses of all persons of a data set, and actions of all its videos:

    model, config = deephar.weights.load_model("vgg16-medium")
    predictions = predict_poses(model, config, dataset, crops="flip")
    protocol = ActionProtocol(clips="multi", mirror=True)
    predictions = predict_actions(model, config, videos, protocol=protocol)

For pictures and videos of your own there is `deephar.Predictor`.
"""

from deephar.inference.actions import (
    ActionPredictions,
    ActionProtocol,
    mean_action,
    predict_actions,
)
from deephar.inference.annotate import Annotation, annotate_people, annotate_video
from deephar.inference.boxes import box_of_poses, full_box, predicted_boxes
from deephar.inference.detectors import KerasHubDetector
from deephar.inference.intervals import ActionTimeline, Interval, intervals_of
from deephar.inference.media import Segment
from deephar.inference.people import find_people
from deephar.inference.person import Person
from deephar.inference.poses import Predictions, predict_poses
from deephar.inference.predictor import Predictor
from deephar.inference.repetitions import RepetitionCounter, find_repetitions
from deephar.inference.runtimes import Runtime, choose_runtime
from deephar.inference.search import find_person
from deephar.inference.videos import VideoPredictions, predict_videos

__all__ = [
    "ActionPredictions",
    "ActionProtocol",
    "ActionTimeline",
    "Annotation",
    "Interval",
    "KerasHubDetector",
    "Person",
    "Predictions",
    "Predictor",
    "RepetitionCounter",
    "Runtime",
    "Segment",
    "VideoPredictions",
    "annotate_people",
    "annotate_video",
    "box_of_poses",
    "choose_runtime",
    "find_people",
    "find_person",
    "find_repetitions",
    "full_box",
    "intervals_of",
    "mean_action",
    "predict_actions",
    "predict_poses",
    "predict_videos",
    "predicted_boxes",
]
