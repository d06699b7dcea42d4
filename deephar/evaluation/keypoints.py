"""Average precision of keypoints, as COCO scores them, by the package pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deephar.data.pose_tables import coco_result
from deephar.data.samples import Sample, whole_of
from deephar.data.sets.coco import CocoKeypoints
from deephar.inference.poses import Predictions
from deephar.metrics import oks
from deephar.skeletons import convert, get_skeleton


@dataclass(frozen=True)
class KeypointScores:
    """COCO's scores of keypoints, in percent, of persons whose boxes are given.

    Attributes:
        ap: average precision, the mean over OKS thresholds of 0.5, 0.55, ..., 0.95.
        ap50: average precision at an OKS of 0.5.
        ap75: at an OKS of 0.75.
        ap_medium: `ap` of persons with an area of 32^2 to 96^2 pixels; NaN if there are none.
        ap_large: of larger ones.
        ar: average recall over the same thresholds.
        mean_oks: mean OKS of the persons.
        sigmas: spread of each joint.
    """

    ap: float
    ap50: float
    ap75: float
    ap_medium: float
    ap_large: float
    ar: float
    mean_oks: float
    sigmas: tuple[float, ...]


def require_pycocotools() -> None:
    """Raises ValueError if pycocotools is not installed."""
    try:
        import pycocotools.cocoeval  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "COCO's average precision is computed by the package pycocotools. Run pip install "
            "'deephar[coco]'."
        ) from error


def coco_results(predictions: Predictions, dataset: Sequence[Sample]) -> list[dict]:
    """The last block's predictions in the form of COCO's results.

    Args:
        predictions: in a skeleton that has all joints of the data set.
        dataset: the data set they were made for. Of a `CocoKeypoints`, ``image_id`` and
            ``category_id`` are those of its file; of others, the name of the picture, and 1.
    """
    poses = np.concatenate([predictions.joints[-1], predictions.visibility[-1][..., None]], axis=-1)
    poses = convert(poses, predictions.skeleton, get_skeleton(dataset.skeleton))
    if isinstance(whole_of(dataset), CocoKeypoints):
        persons = [whole_of(dataset).annotation(index) for index in _indices(dataset)]
        ids = [(person["image_id"], person["category_id"]) for person in persons]
    else:
        ids = [(name.split("#")[0], 1) for name in predictions.names]
    return [
        coco_result(image, pose, category=category)
        for (image, category), pose in zip(ids, poses, strict=True)
    ]


def score_keypoints(predictions: Predictions, dataset: Sequence[Sample]) -> KeypointScores:
    """Scores predictions by pycocotools.

    Crowd regions and persons without labels, on the same pictures, are given to it as well: what is
    found there is no error. Persons of the file that are not in the data set, which may be a part
    of it, are left out.

    Args:
        predictions: in a skeleton that has all joints of the data set.
        dataset: a `CocoKeypoints`, or a part of one.

    Raises:
        ValueError: pycocotools is not installed, or the data set is another one.
    """
    require_pycocotools()
    whole = whole_of(dataset)
    if not isinstance(whole, CocoKeypoints):
        raise ValueError(
            f"COCO's average precision needs a CocoKeypoints data set, got {whole!r}. Use the "
            "score of the data set."
        )
    persons = [whole.annotation(index) for index in _indices(dataset)]
    results = coco_results(predictions, dataset)
    with contextlib.redirect_stdout(io.StringIO()):
        stats = _evaluate(whole, persons, results)
    found = np.array([result["keypoints"] for result in results]).reshape(len(results), -1, 3)
    true = np.array([person["keypoints"] for person in persons]).reshape(found.shape)
    true = np.where(true[..., 2:] > 0, true[..., :2], np.nan)
    areas = [person["area"] for person in persons]
    mean = float(np.mean(oks(found[..., :2], true, areas, whole.sigmas)))
    # -1 stands for "no such person".
    percent = [float(100 * value) if value >= 0 else float("nan") for value in stats]
    return KeypointScores(*percent[:6], 100 * mean, tuple(whole.sigmas.tolist()))


def _evaluate(dataset, persons, results):
    """The ten numbers of pycocotools."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    images = {person["image_id"] for person in persons}
    ignored = [a for a in dataset.left_out if a["image_id"] in images]
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": image} for image in images],
        "categories": [dataset.category],
        # Numbered anew: 0, or a number that occurs twice, would be taken for "no person".
        "annotations": [a | {"id": n} for n, a in enumerate([*persons, *ignored], start=1)],
    }
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes(results), "keypoints")
    evaluation.params.kpt_oks_sigmas = dataset.sigmas
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats


def _indices(dataset):
    """Positions of the persons in the whole data set."""
    place = {name: index for index, name in enumerate(whole_of(dataset).names())}
    return [place[dataset[index].name] for index in range(len(dataset))]
