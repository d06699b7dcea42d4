"""Scores as text: tables and summaries of one line."""

from __future__ import annotations

import numpy as np

from deephar.evaluation.action import TOP

# ----------------------------------------------------------------------------------------- table


def print_table(scores):
    """Prints `format_table`."""
    print(format_table(scores))


def format_table(scores):
    """Scores as text: one row a prediction block, one column a joint group, then the answer.

    Args:
        scores: `PoseScores`.
    """
    header = [
        "block",
        *scores.answer.per_group,
        "Total",
        f"Total@{scores.strict_threshold:g}",
        "AUC",
    ]
    rows = []
    blocks = zip(scores.blocks, scores.strict, scores.curves, strict=True)
    for number, (block, strict, curve) in enumerate(blocks, start=1):
        values = [*block.per_group.values(), block.total, strict.total, curve.auc]
        name = f"{number} (answer)" if number == len(scores.blocks) else str(number)
        rows.append([name, *map(percent, values)])
    return "\n".join([_title(scores), *table_lines(header, rows), summary(scores)])


def percent(value):
    """A number as it is written in tables, with one digit; "-" if there is none (NaN)."""
    return "-" if np.isnan(value) else f"{value:.1f}"


def table_lines(header, rows):
    """Lines of a table of texts: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in [header, *rows]
    ]
    rule = "-" * len(lines[0])
    return [rule, lines[0], rule, *lines[1:], rule]


def summary(scores, what="persons"):
    """The reported score in one line.

    Args:
        scores: `PoseScores`.
        what: what was scored, in the plural.
    """
    answer, curve = scores.answer, scores.curves[-1]
    return (
        f"{scores.measure}@{scores.threshold:g} {answer.total:.1f}{interval_text(answer)}, "
        f"{scores.measure}@{scores.strict_threshold:g} {scores.strict[-1].total:.1f}, "
        f"AUC 0..{curve.thresholds[-1]:g} {curve.auc:.1f} "
        f"({scores.persons} {what}, {answer.count} joints)"
    )


def depth_summary(depth, what="persons"):
    """The error in space in one line.

    Args:
        depth: `DepthScores`.
        what: what was scored, in the plural.
    """
    return (
        f"MPJPE {depth.blocks[-1].total:.1f} mm{interval_text(depth.blocks[-1])}, aligned "
        f"(P-MPJPE) {depth.aligned[-1].total:.1f} mm{interval_text(depth.aligned[-1])} "
        f"({depth.persons} {what}, {depth.answer.count} joints, "
        "the root's error of 0 included)"
    )


def _title(scores):
    crops = crops_in_words(scores.views)
    title = f"{scores.data}, {crops}, {scores.measure}@{scores.threshold:g} in percent"
    return f"{title}\n{warning}" if (warning := person_warning(scores)) else title


def crops_in_words(views):
    """What `Predictions.crops_per_person` stands for, for the title of a table."""
    words = {1: "single crop", 2: "crop and its mirror image"}
    return words.get(views) or f"multi crop ({views} views a person)"


def person_warning(scores):
    """Says that `PoseScores` or `DepthScores` are of a part of the split; else an empty string."""
    return part_warning(scores.persons, scores.persons_in_split, "persons")


def part_warning(number, total, what):
    """A line that says that not all were scored; "" if they were."""
    if number == total:
        return ""
    return f"ONLY {number} OF {total} {what.upper()}: this is not the score of the whole split"


def interval_text(score):
    """The 95 % interval of a `deephar.metrics.Score` in brackets; "" if it has none."""
    if score.interval is None:
        return ""
    return " (95 % interval {:.1f} to {:.1f})".format(*score.interval)


def format_space(scores):
    """Errors in space as text: a row a prediction block, a row an action, then the answer.

    Args:
        scores: `DepthScores`.
    """
    crops = crops_in_words(scores.views)
    lines = [f"{scores.data}, {crops}, mm, protocol {scores.protocol} ({scores.measure})"]
    if warning := person_warning(scores):
        lines.append(warning)
    rows = []
    blocks = zip(scores.blocks, scores.aligned, strict=True)
    for number, pair in enumerate(blocks, start=1):
        name = f"{number} (answer)" if number == len(scores.blocks) else str(number)
        rows.append([name, *(percent(score.total) for score in pair)])
    lines += table_lines(["block", "MPJPE", "P-MPJPE"], rows)
    if scores.actions:
        rows = [
            [name, str(persons_of(pair[0])), *(percent(score.total) for score in pair)]
            for name, pair in scores.actions.items()
        ]
        rows.append(["mean of the actions", "", *map(percent, scores.mean_of_actions)])
        lines += table_lines(["action, of the answer", "persons", "MPJPE", "P-MPJPE"], rows)
    return "\n".join([*lines, depth_summary(scores)])


def persons_of(score):
    """Number of persons that a score rests on."""
    return int(score.counts.max())


# ----------------------------------------------------------------------------------------- table


def format_actions(scores):
    """Scores as text: one row a prediction block, one an action that has videos, then the answer.

    Args:
        scores: `ActionScores`.
    """
    last = len(scores.blocks)
    blocks = [
        [f"{number} (answer)" if number == last else str(number), percent(one.total), percent(top)]
        for number, (one, top) in enumerate(
            zip(scores.blocks, (score.total for score in scores.top5), strict=True), start=1
        )
    ]
    actions = [
        [action, str(row.sum()), percent(scores.answer.per_group[action]), *_taken_for(scores, n)]
        for n, (action, row) in enumerate(zip(scores.actions, scores.confusion, strict=True))
        if row.any()
    ]
    left_out = len(scores.actions) - len(actions)
    lines = [
        _action_title(scores),
        *table_lines(["block", "accuracy", f"top-{TOP}"], blocks),
        *table_lines(["action", "videos", "accuracy", "most often taken for", "times"], actions),
        *([f"{left_out} actions without videos are left out"] if left_out else []),
        action_summary(scores),
    ]
    if scores.poses is not None:
        lines.append(f"poses along the way: {summary(scores.poses, 'frames')}")
    if scores.depth is not None:
        lines.append(depth_summary(scores.depth, "frames"))
    return "\n".join(lines)


def _taken_for(scores, number):
    """The wrong answer that is most frequent for an action, and how often it is given."""
    wrong = scores.confusion[number].copy()
    wrong[number] = 0
    if not wrong.any():
        return "-", "-"
    return scores.actions[wrong.argmax()], str(wrong.max())


def action_summary(scores):
    """The reported accuracy in one line.

    Args:
        scores: `ActionScores`.
    """
    answer = scores.answer
    return (
        f"accuracy {answer.total:.1f} %{interval_text(answer)}, top-{TOP} "
        f"{scores.top5[-1].total:.1f} % ({scores.videos} videos of {scores.data})"
    )


def _protocol(scores):
    """The protocol in words."""
    found, protocol = scores.predictions, scores.predictions.protocol
    counts = found.clips_per_video
    text = f"{protocol.clips} clip"
    if protocol.clips == "multi":
        text += f" ({counts.min()} to {counts.max()} clips a video)"
    if protocol.mirror:
        text += " and mirror images"
    spread = "spread over the whole video"
    if protocol.subsampling != "whole":
        spread = f"subsampling {protocol.subsampling}"
    source = "labelled poses" if found.poses is None else f"boxes: {protocol.boxes}"
    return f"{text}, {protocol.num_frames} frames, {spread}, {source}"


def _action_title(scores):
    title = f"{scores.data}, {_protocol(scores)}, accuracy in percent"
    warning = part_warning(scores.videos, scores.videos_in_split, "videos")
    return f"{title}\n{warning}" if warning else title
