"""Evaluates an action network on a folder of your own videos.

    python exp/pennaction/eval_clips.py --data FOLDER

FOLDER holds a folder of videos for each action, FOLDER/ACTION/*.mp4, or a file clips.csv with the
columns file, action and, if videos belong together, group. Actions are named as in the weights.
Videos of none of them are labelled "other".

Prints and writes: accuracy and top-3 accuracy of the videos of known actions, with intervals over
groups, the mean of the actions, and the accuracy of each; how many videos of none of the actions
are told as "other", and how many can be rejected while 90 % of the known videos are kept; and the
calibration error. Files: results.json, videos.csv, confusion.png, sheet.png and rejection.png.

The scores of a video are the weighted mean of those of its frames (`mean_action`), and its answer
is the action with the highest one. Videos are rejected if none of the known actions has a high
score. For a video of a known action, "other" counts as an error. A video that cannot be read is
named, the others are scored, and the exit status is 1.
"""

import sys

from deephar.cli.evaluate import VideoEvaluation

main = VideoEvaluation(doc=__doc__, path="exp/pennaction/eval_clips.py", kind="clips").main


if __name__ == "__main__":
    sys.exit(main())
