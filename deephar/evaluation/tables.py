"""Scores as text: tables, and summaries of one line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from deephar.data.samples import OTHER
from deephar.evaluation.action import TOP, ActionScores
from deephar.evaluation.pose import DepthScores
from deephar.evaluation.scores import Scores, num_persons
from deephar.evaluation.videos import KEPT, VideoScores


def print_table(scores: Scores) -> None:
    """Prints `format_table`."""
    print(format_table(scores))


def format_table(scores: Scores) -> str:
    """Scores as text: one row per prediction block, then the answer in one line.

    Scores of actions, and errors in space, also have one row per action.

    Args:
        scores: `PoseScores`, `DepthScores`, `ActionScores` or `VideoScores`.
    """
    if isinstance(scores, VideoScores):
        lines = _video_lines(scores)
    elif isinstance(scores, ActionScores):
        lines = _action_lines(scores)
    elif isinstance(scores, DepthScores):
        lines = _depth_lines(scores)
    else:
        lines = _pose_lines(scores)
    return "\n".join(lines)


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table of texts: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in [header, *rows]
    ]
    rule = "-" * len(lines[0])
    return [rule, lines[0], rule, *lines[1:], rule]


def block_names(count: int) -> list[str]:
    """Names of the prediction blocks, counted from 1; the last is marked as the answer."""
    return [*map(str, range(1, count)), f"{count} (answer)"]


# ----------------------------------------------------------------------------- kinds of scores


def _pose_lines(scores):
    strict_title = f"Total@{scores.strict_threshold:g}"
    header = ["block", *scores.answer.per_group, "Total", strict_title, "AUC"]
    rows = [
        [name, *map(_number, [*block.per_group.values(), block.total, strict.total, curve.auc])]
        for name, block, strict, curve in zip(
            block_names(len(scores.blocks)),
            scores.blocks,
            scores.strict,
            scores.curves,
            strict=True,
        )
    ]
    title = _title(
        scores,
        _crops_in_words(scores.predictions.crops_per_person),
        f"{scores.measure}@{scores.threshold:g} in percent",
    )
    lines = [*title, *table_lines(header, rows), _pose_summary(scores)]
    if scores.keypoints is not None:
        lines.append(_keypoint_summary(scores.keypoints))
    return lines if scores.depth is None else [*lines, _depth_summary(scores.depth)]


def _keypoint_summary(scores):
    return (
        f"COCO, in the true boxes: AP {scores.ap:.1f} (at OKS 0.5 {scores.ap50:.1f}, at 0.75 "
        f"{scores.ap75:.1f}, medium {_number(scores.ap_medium)}, large "
        f"{_number(scores.ap_large)}), AR {scores.ar:.1f}, mean OKS {scores.mean_oks:.1f}"
    )


def _depth_lines(scores):
    title = _title(
        scores,
        _crops_in_words(scores.predictions.crops_per_person),
        "mm",
        f"protocol {scores.protocol} ({scores.measure})",
    )
    blocks = zip(block_names(len(scores.blocks)), scores.blocks, scores.aligned, strict=True)
    rows = [[name, *_totals(pair)] for name, *pair in blocks]
    lines = [*title, *table_lines(["block", "MPJPE", "P-MPJPE"], rows)]
    if scores.actions:
        rows = [
            [action, str(num_persons(pair[0])), *_totals(pair)]
            for action, pair in scores.actions.items()
        ]
        rows.append(["mean of the actions", "", *map(_number, scores.mean_of_actions)])
        lines += table_lines(["action, of the answer", "persons", "MPJPE", "P-MPJPE"], rows)
    return [*lines, _depth_summary(scores)]


def _action_lines(scores):
    blocks = zip(block_names(len(scores.blocks)), scores.blocks, scores.top5, strict=True)
    block_rows = [[name, *_totals(pair)] for name, *pair in blocks]
    lines = [
        *_title(scores, _protocol_in_words(scores.predictions), "accuracy in percent"),
        *table_lines(["block", "accuracy", f"top-{TOP}"], block_rows),
        *_table_by_action(scores, scores.answer.per_group),
        f"accuracy {scores.answer.total:.1f} %{_interval(scores.answer)}, top-{TOP} "
        f"{scores.top5[-1].total:.1f} % ({scores.num_scored} videos of {scores.data})",
        f"calibration error {scores.calibration_error:.1f} %",
    ]
    if scores.poses is not None:
        lines.append(f"poses along the way: {_pose_summary(scores.poses, 'frames')}")
    if scores.depth is not None:
        lines.append(_depth_summary(scores.depth, "frames"))
    return lines


def _video_lines(scores):
    top3 = scores.top3
    lines = [
        *_title(scores, "accuracy in percent"),
        *_table_by_action(scores, scores.per_action),
        f"accuracy {scores.answer.total:.1f} %{_interval(scores.answer)}, mean of the actions "
        f"{scores.class_mean:.1f} % (videos of known actions: {scores.num_known})",
        f"always the most frequent action: {scores.majority:.1f} %",
    ]
    if len(scores.actions) > 3:
        lines.append(f"top-3 {top3.total:.1f} %{_interval(top3)}")
    if OTHER in scores.actions:
        lines.append(f"{OTHER!r} is an error for a video of a known action")
    if scores.rejection is not None:
        point = scores.rejection.working_point
        lines += [
            f"told as {OTHER!r}: {scores.others.total:.1f} %{_interval(scores.others)} of the "
            f"videos of none of the actions ({scores.others.count})",
            f"keeping at least {KEPT:.0f} % of the known videos: {point['rejected']:.1f} % of "
            f"those of none are rejected, whose best action scores below "
            f"{point['least_score']:.3f}; "
            f"{point['kept']:.1f} % of the known are kept, {point['kept_and_right']:.1f} % kept "
            "and right",
        ]
    lines.append(f"calibration error {scores.calibration_error:.1f} %")
    return lines + scores.notes + _unreadable_lines(scores.predictions.unreadable)


def _unreadable_lines(unreadable):
    if not unreadable:
        return []
    lines = [f"{video.name}: {' '.join(reason.split())}" for video, reason in unreadable]
    return ["NOT SCORED, because they cannot be read:", *lines]


def _table_by_action(scores, accuracies):
    """A row for each action that has videos."""
    rows = [
        [
            action,
            str(counts.sum()),
            _number(accuracies[action]),
            *_most_frequent_mistake(scores, label),
        ]
        for label, (action, counts) in enumerate(zip(scores.actions, scores.confusion, strict=True))
        if counts.any()
    ]
    header = ["action", "videos", "accuracy", "most often taken for", "times"]
    left_out = sum(
        name != OTHER and not counts.any()
        for name, counts in zip(scores.actions, scores.confusion, strict=True)
    )
    note = [f"{left_out} actions without videos are left out"] if left_out else []
    return table_lines(header, rows) + note


def _most_frequent_mistake(scores, label):
    """The wrong answer that is most frequent for an action, and how often it is given."""
    mistakes = scores.confusion[label].copy()
    mistakes[label] = 0
    if not mistakes.any():
        return "-", "-"
    return scores.actions[mistakes.argmax()], str(mistakes.max())


# ---------------------------------------------------------------------------------------- parts


def _title(scores, *facts):
    """The lines above a table: what was scored and how, and a warning if it is only a part."""
    lines = [", ".join([scores.data, *facts])]
    return [*lines, scores.warning] if scores.warning else lines


def _pose_summary(scores, items="persons"):
    answer, curve = scores.answer, scores.curves[-1]
    return (
        f"{scores.measure}@{scores.threshold:g} {answer.total:.1f}{_interval(answer)}, "
        f"{scores.measure}@{scores.strict_threshold:g} {scores.strict[-1].total:.1f}, "
        f"AUC 0..{curve.thresholds[-1]:g} {curve.auc:.1f} "
        f"({scores.num_scored} {items}, {answer.count} joints)"
    )


def _depth_summary(scores, items="persons"):
    mpjpe, p_mpjpe = scores.blocks[-1], scores.aligned[-1]
    return (
        f"MPJPE {mpjpe.total:.1f} mm{_interval(mpjpe)}, aligned "
        f"(P-MPJPE) {p_mpjpe.total:.1f} mm{_interval(p_mpjpe)} "
        f"({scores.num_scored} {items}, {scores.answer.count} joints, "
        "the root's error of 0 included)"
    )


def _crops_in_words(num_crops):
    words = {1: "single crop", 2: "crop and its mirror image"}
    return words.get(num_crops) or f"multi crop ({num_crops} views a person)"


def _protocol_in_words(predictions):
    protocol, counts = predictions.protocol, predictions.clips_per_video
    clips = f"{protocol.clips} clip"
    if protocol.clips == "multi":
        clips += f" ({counts.min()} to {counts.max()} clips a video)"
    if protocol.mirror:
        clips += " and mirror images"
    spread = "spread over the whole video"
    if protocol.frame_rate is not None:
        spread = f"{protocol.frame_rate:g} frames per second"
    elif protocol.subsampling != "whole":
        spread = f"subsampling {protocol.subsampling}"
    source = "labelled poses" if predictions.poses is None else f"boxes: {protocol.boxes}"
    return f"{clips}, {protocol.num_frames} frames, {spread}, {source}"


def _totals(scores):
    return [_number(score.total) for score in scores]


def _number(value):
    """A number with one digit; "-" for NaN."""
    return "-" if np.isnan(value) else f"{value:.1f}"


def _interval(score):
    """The 95 % interval of a `Score` in brackets; "" if it has none."""
    if score.interval is None:
        return ""
    return " (95 % interval {:.1f} to {:.1f})".format(*score.interval)
