"""Whole evaluations of a weights file: predict, score, print, write."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deephar import weights
from deephar.data.backgrounds import backgrounds
from deephar.data.samples import OTHER, Dataset, Sample, Video, hold_out, whole_of
from deephar.data.sets.folder import LabelledVideo
from deephar.evaluation.action import ActionScores, score_actions
from deephar.evaluation.figures import save_figures
from deephar.evaluation.keypoints import require_pycocotools
from deephar.evaluation.pose import (
    DepthScores,
    PoseScores,
    has_3d_labels,
    score_coco,
    score_mpjpe,
)
from deephar.evaluation.presence import PresenceErrors, score_presence
from deephar.evaluation.results import write_results, write_videos
from deephar.evaluation.saved import check_predictions_path, save_predictions
from deephar.evaluation.tables import print_table
from deephar.evaluation.videos import VideoScores, score_videos
from deephar.files import require_ours
from deephar.inference.actions import (
    ActionProtocol,
    find_head,
    predict_actions,
    trained_spacing,
)
from deephar.inference.converted import load_parts
from deephar.inference.network import joined, require_images, require_joints
from deephar.inference.person import SEEN
from deephar.inference.poses import predict_poses
from deephar.inference.predictor import Predictor
from deephar.inference.runtimes import choose_runtime
from deephar.inference.videos import VideoPredictions, predict_videos

if TYPE_CHECKING:
    from deephar.models import ModelConfig


def evaluate_poses(
    weights_name: str | Path,
    dataset: Sequence[Sample],
    *,
    score: Callable[..., PoseScores | DepthScores],
    out: str | Path,
    save_predictions_to: str | Path | None = None,
    command: str = "",
    **options: Any,
) -> PoseScores | DepthScores | None:
    """Evaluates a weights file on stills: predicts, scores, prints, writes.

    Writes results.json and the figures of `save_figures` into `out`. Where the network gives depth
    and the data set has 3D labels, the MPJPE is scored along with PCKh or PCK.

    Args:
        weights_name: a name in weights/index.json, or the path of a weights file.
        dataset: the data set; the scores of a part (`limited`) say that they are of a part.
        score: `score_mpii`, `score_lsp`, `score_penn`, `score_coco`, `score_in_box` or
            `score_pckh`; or `score_mpjpe` for errors in space alone.
        out: folder of the files; made if missing.
        save_predictions_to: path of the predictions, see `save_predictions`; None to save none.
        command: the command line, kept in results.json.
        **options: `crops` and `batch_size` of `predict_poses`; `runtime` (by default "keras") and
            `precision` of `Predictor`.

    Returns:
        What `score` returns; None for persons without joint labels, which are only predicted.

    Raises:
        FileNotFoundError: A file is missing.
        OSError: The folder cannot be made, or a file cannot be written.
        ValueError: Something cannot be used; the message says what.
    """
    evaluation = _Evaluation.prepared(weights_name, out, command)
    if score is score_coco:
        require_pycocotools()
    if save_predictions_to is not None:
        check_predictions_path(save_predictions_to)
    labelled = any(np.isfinite(dataset[i].joints).any() for i in range(len(dataset)))
    if not labelled and save_predictions_to is None:
        raise ValueError(
            f"{dataset!r} has no joint labels, so there is nothing to score. To predict poses that "
            "others score, say where to save the predictions."
        )
    _require_pose_network(weights_name, evaluation.config, dataset, score)

    runtime = choose_runtime(options.pop("runtime", "keras"), options.pop("precision", "auto"))
    predictions = predict_poses(
        evaluation.load_network(dataset, runtime, stills=True),
        evaluation.config,
        dataset,
        progress=True,
        **options,
    )
    saved, scores = [], None
    if save_predictions_to is not None:
        saved.append(save_predictions(save_predictions_to, predictions, dataset))
    if labelled:
        scores = score(predictions, dataset)
        if isinstance(scores, PoseScores) and _has_depth(predictions, dataset):
            scores = replace(scores, depth=score_mpjpe(predictions, dataset))
    evaluation.report(scores, dataset, saved, runtime)
    return scores


def evaluate_presence(
    weights_name: str | Path,
    dataset: Dataset,
    *,
    runtime: str = "keras",
    precision: str = "auto",
) -> list[PresenceErrors]:
    """Prints how well a network tells persons from backgrounds, see `score_presence`.

    The persons are those that a training with the default fraction holds out. The backgrounds are
    windows of their pictures.

    Args:
        weights_name: as of `evaluate_poses`.
        dataset: the data set of stills that the network was trained on, with the held-out persons.
        runtime: as of `Predictor`.
        precision: as of `Predictor`.

    Returns:
        The errors of each threshold.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: As `evaluate_poses`; or no picture has room for a background.
    """
    config = weights.read_config(weights_name)
    require_images(config, weights_name)
    persons = hold_out(dataset)[1]
    others = backgrounds(persons)
    if not others:
        raise ValueError(f"{persons!r} has no picture with room beside the persons. Use others.")
    network = _load_network(weights_name, choose_runtime(runtime, precision), stills=True)
    parts = [predict_poses(network, config, part, progress=True) for part in (persons, others)]
    errors = score_presence(*parts)
    print(f"{len(persons)} persons held out, {len(others)} backgrounds\n")
    print("mean visibility   persons taken for nobody   backgrounds taken for somebody")
    for threshold, missed, imagined in errors:
        mark = "  <- from here, somebody is seen" if threshold == SEEN else ""
        print(f"{threshold:15.2f} {missed:24.1f} % {imagined:30.1f} %{mark}")
    return errors


def evaluate_actions(
    weights_name: str | Path,
    dataset: Sequence[Video],
    *,
    out: str | Path,
    head: str | None = None,
    protocol: ActionProtocol | None = None,
    command: str = "",
    **options: Any,
) -> ActionScores:
    """Evaluates a weights file on videos: predicts, scores, prints, writes.

    Writes results.json, videos.csv and the figures of `save_figures` into `out`.

    Args:
        weights_name: a name in weights/index.json, or the path of a weights file.
        dataset: the video data set; the scores of a part (`limited`) say that they are of a part.
        out: folder of the files; made if missing.
        head: see `predict_actions`.
        protocol: see `predict_actions`; by default a single clip with the frame rate or the
            subsampling that the weights were trained with (`trained_spacing`).
        command: the command line, kept in results.json.
        **options: `batch_size` of `predict_actions`; `runtime` (by default "keras") and `precision`
            of `Predictor`.

    Returns:
        The `ActionScores`.

    Raises:
        FileNotFoundError: A file is missing.
        OSError: The folder cannot be made, or a file cannot be written.
        ValueError: Something cannot be used; the message says what.
    """
    evaluation = _Evaluation.prepared(weights_name, out, command)
    facts = weights.read_facts(weights_name)
    head = find_head(evaluation.config, dataset, head=head)
    classes = evaluation.config.actions[head]
    check_action_names(facts, head, dataset, evaluation.file, classes=classes)
    protocol = protocol or ActionProtocol(**trained_spacing(facts))

    runtime = choose_runtime(options.pop("runtime", "keras"), options.pop("precision", "auto"))
    predictions = predict_actions(
        evaluation.load_network(dataset, runtime),
        evaluation.config,
        dataset,
        head=head,
        protocol=protocol,
        progress=True,
        **options,
    )
    scores = score_actions(predictions, dataset)
    evaluation.report(scores, dataset, runtime=runtime)
    return scores


def evaluate_videos(
    weights_name: str | Path | None,
    dataset: Sequence[LabelledVideo],
    *,
    out: str | Path,
    head: str | None = None,
    runtime: str = "keras",
    precision: str = "auto",
    command: str = "",
) -> VideoScores:
    """Evaluates a weights file on a folder of videos: predicts, scores, prints, writes.

    Writes results.json, videos.csv and the figures of `save_figures` into `out`. A video that
    cannot be read is named with the reason, and the others are scored. Videos of none of the
    actions are labelled `deephar.data.samples.OTHER`; they are left out if the network has no such
    action.

    Args:
        weights_name: a name in weights/index.json, or the path of a weights file; None for the
            default weights.
        dataset: a `VideoFolder`, or a part of one (`limited`).
        out: folder of the files; made if missing.
        head: name of the action head to use; needed if there are several.
        runtime: what the network runs on, see `Predictor`.
        precision: what it computes with, see `Predictor`.
        command: the command line, kept in results.json.

    Returns:
        The `VideoScores`; `predictions.unreadable` has the videos that are not scored.

    Raises:
        FileNotFoundError: A file is missing.
        OSError: The folder cannot be made, or a file cannot be written.
        ValueError: Something cannot be used, such as an action that the network does not have; the
            message says what.
    """
    name = weights.default_name() if weights_name is None else weights_name
    if not weights.read_config(name).actions:
        raise ValueError(
            f"{name}: These weights predict poses only, no actions. Give other --weights."
        )
    require_ours(Path(out) / _RESULTS, "protocol")  # before the network is loaded
    predictor = Predictor(name, head=head, runtime=runtime, precision=precision)
    known, left_out = _known_videos(dataset, predictor.actions)
    evaluation = _Evaluation.prepared(name, out, command)
    print(dataset)
    settings = {
        "head": head or next(iter(evaluation.config.actions)),
        "frames": evaluation.config.num_frames,
        "frame_rate": weights.read_facts(name).get("frame_rate"),
        **_facts_of(predictor.runtime),
    }
    predictions = predict_videos(predictor, known)
    scores = score_videos(predictions, dataset, left_out=left_out, settings=settings)
    evaluation.report(scores, dataset)
    return scores


def report_videos(
    weights_name: str | Path,
    predictions: VideoPredictions,
    dataset: Sequence[LabelledVideo],
    *,
    out: str | Path,
    settings: Mapping[str, Any] = {},
    command: str = "",
) -> VideoScores:
    """Scores predictions for videos, prints the scores, and writes what `evaluate_videos` writes.

    Args:
        weights_name: name or path of the weights that the predictions belong to.
        predictions: what a network predicts for the videos.
        dataset: the `VideoFolder`.
        out: folder of the files; made if missing.
        settings: how the predictions were made, kept in results.json.
        command: the command line, kept in results.json.

    Raises:
        OSError, ValueError: As `evaluate_videos`.
    """
    evaluation = _Evaluation.prepared(weights_name, out, command)
    scores = score_videos(predictions, dataset, settings=settings)
    evaluation.report(scores, dataset)
    return scores


def _known_videos(dataset, actions):
    """The videos to score, and those of none of the actions if the network cannot tell them."""
    videos, source = [dataset[number] for number in range(len(dataset))], whole_of(dataset).source
    unknown = sorted({video.action for video in videos} - {*actions, OTHER})
    if unknown:
        raise ValueError(
            f"{source} has videos of {', '.join(map(repr, unknown))}, which the network does not "
            f"know.{_meant(unknown, actions)} Its actions are {', '.join(actions)}. Rename the "
            f"action, or label videos of none of them {OTHER!r}."
        )
    if all(video.action == OTHER for video in videos):
        raise ValueError(
            f"All videos of {source} are labelled {OTHER!r}. Add videos of actions that the "
            f"network knows: {', '.join(actions)}."
        )
    if OTHER in actions:
        return videos, []
    return [[video for video in videos if (video.action == OTHER) == out] for out in (False, True)]


def _meant(unknown, actions):
    """A question for those unknown actions that are nearly named as one of the network's."""
    names = {_plain(name): name for name in (*actions, OTHER)}
    pairs = []
    for name in unknown:
        for near in difflib.get_close_matches(_plain(name), names, n=1, cutoff=0.8):
            pairs.append(f"{names[near]!r} in place of {name!r}")
    return f" Did you mean {', '.join(pairs)}?" if pairs else ""


def _plain(name):
    return " ".join(name.lower().replace("-", " ").replace("_", " ").split())


_RESULTS = "results.json"


@dataclass(frozen=True)
class _Evaluation:
    """What every evaluation does before it predicts, and after it has scored."""

    weights_name: str | Path
    file: Path
    config: ModelConfig
    folder: Path
    command: str

    @classmethod
    def prepared(cls, weights_name: str | Path, out: str | Path, command: str) -> _Evaluation:
        """Makes the folder, finds the weights and reads their config, before any long work."""
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        require_ours(folder / _RESULTS, "protocol")
        file = weights.find(weights_name)
        return cls(weights_name, file, weights.read_config(weights_name), folder, command)

    def load_network(self, dataset, runtime, *, stills=False):
        """Loads the network on a runtime, then prints the data set before the long part begins.

        With `stills`, a network for single images where the runtime has one.
        """
        network = _load_network(self.weights_name, runtime, stills=stills)
        print(dataset)
        return network

    def report(self, scores, dataset, written=(), runtime=None):
        """Writes results and figures, prints the table, and prints the paths of all files."""
        if scores is not None:
            written = [*written, self._write_results(scores, runtime)]
            if isinstance(scores, ActionScores | VideoScores):
                written.append(write_videos(self.folder / "videos.csv", scores))
            written += save_figures(self.folder, scores, dataset)
            print_table(scores)
        print("\nwrote", *written, sep="\n  ")

    def _write_results(self, scores, runtime):
        return write_results(
            self.folder / _RESULTS,
            scores,
            self.config,
            self.file,
            command=self.command,
            runtime=runtime and _facts_of(runtime),
        )


def _load_network(weights_name, runtime, *, stills=False):
    parts = load_parts(weights_name, runtime)
    return parts["frames"] if stills and "frames" in parts else joined(parts)


def _facts_of(runtime):
    """The name and the precision of a runtime, for results.json."""
    precision = runtime.precision
    if precision == "auto":
        import keras  # late: takes seconds

        precision = keras.config.dtype_policy().name
    return {"runtime": runtime.name, "precision": precision}


def _has_depth(predictions, dataset):
    """Whether the MPJPE can be scored: the network gives depth, and there are 3D labels."""
    if predictions.depth is None:
        return False
    return any(has_3d_labels(dataset[i]) for i in range(len(dataset)))


def _require_pose_network(weights_name, config, dataset, score):
    """Checks that the poses of a network can be scored on a data set of stills."""
    require_images(config, weights_name)
    try:
        require_joints(config.skeleton, dataset.skeleton)
    except ValueError as error:
        raise ValueError(f"{weights_name}: {error}") from None
    if score is score_mpjpe and config.dim != 3:
        raise ValueError(
            f"{weights_name}: The network predicts 2D poses, so its error in space is unknown. Use "
            "weights of a network with dim=3."
        )


def check_action_names(
    facts: dict[str, Any],
    head: str,
    dataset: Sequence[Video],
    file: str | Path,
    *,
    classes: int,
) -> None:
    """Checks that a network has the same classes as a data set, in the same order.

    The network may have `OTHER` as one more class, the last, if the facts name its classes.

    Args:
        facts: those of the weights file; ``actions`` holds the names of the classes by head.
        head: name of the head.
        dataset: the video data set.
        file: the weights file, for the message.
        classes: number of classes of the head.

    Raises:
        ValueError: The names differ (the message has the first that does), or there are none and
            the numbers differ.
    """
    names, actions = facts.get("actions", {}).get(head), whole_of(dataset).actions
    if names is None and classes != len(actions):
        raise ValueError(
            f"{file}: The head {head!r} has {classes} classes without names, and {dataset.name} "
            f"has {len(actions)} actions. Use weights that name their actions."
        )
    if names is None or tuple(names) in (tuple(actions), (*actions, OTHER)):
        return
    pairs = list(zip(names, actions, strict=False))
    number = next((i for i, (name, action) in enumerate(pairs) if name != action), len(pairs))
    raise ValueError(
        f"{file}: The actions of the head {head!r} are not those of {dataset.name}: number "
        f"{number} is {_entry(names, number)} in the weights and {_entry(actions, number)} in the "
        "data set. Use weights that were trained on it."
    )


def _entry(names, number):
    return repr(names[number]) if number < len(names) else "missing"
