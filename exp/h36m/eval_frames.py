"""Scores the depth of poses on real pictures: by 3D labels, and by which limb is hidden.

    python exp/h36m/eval_frames.py --weights runs/light-3d/stage2/best.h5 --h36m h36m_body3d.npz

Frames and labels are in the form of MMPose: `imgname`, `part` (pixels) and `S` (metres) of 17
joints, the pictures beside the npz file; --h36m in the order of Human3.6M, --mpi-inf in that of
MPI-INF-3DHP. The poses are compared by the P-MPJPE with two others: the mean pose of `DrawnPoses`,
and the network's own x and y with the depths of a lifting network (`deephar.training.lifting`).

Of pictures without 3D labels (--mpii, --lsp): of two limbs of which one is labelled as hidden, how
often the hidden one is deeper. Writes sheet.png: pictures with poses, from the front and the side.
The lifting network learns first. It takes three minutes in all, on 2 CPU cores.
"""

import sys
from pathlib import Path

import deephar.cli  # noqa: F401  from here on, Ctrl-C is one line

# isort: split
import numpy as np

from deephar import Predictor, evaluation, metrics, visualize, weights
from deephar.cli.options import script_parser
from deephar.data import LSP, MPII, Subset
from deephar.data.images import load_image
from deephar.data.sets.labelled_frames import LAYOUTS, LabelledFrames
from deephar.data.synthetic.poses import DrawnPoses
from deephar.errors import reporting_errors
from deephar.evaluation.pose import poses_relative_to_root
from deephar.inference import predict_poses
from deephar.training.lifting import train_lifting, with_lifted_depths

SHOWN = 24  # pictures of each data set on the sheet


@reporting_errors
def main(argv=None):
    """Prints the scores and writes the sheet; returns the exit status (2 for a user's mistake)."""
    args = _parse(argv)
    frames = {
        path: LabelledFrames(path, layout)
        for layout in LAYOUTS
        for path in getattr(args, layout) or ()
    }
    pictures = _pictures(args)
    if not frames and not pictures:
        raise ValueError("There is nothing to score. Give --h36m, --mpi-inf, --mpii or --lsp.")
    model, config = weights.load_model(args.weights)
    lifting, mean_pose = train_lifting(), _mean_pose()

    def answers(dataset):
        """Titles and predictions: the network's x and y, and its own depths if it gives any."""
        predictions = predict_poses(model, config, dataset)
        yield "lifting network, x and y of the network", with_lifted_depths(predictions, lifting)
        if predictions.depth is not None:
            yield "the network", predictions

    for path, dataset in frames.items():
        rows = _errors(dict(answers(dataset)), dataset, mean_pose)
        print("\n".join(evaluation.table_lines([path, "P-MPJPE"], rows)), flush=True)
    for name, dataset in pictures.items():
        rows = []
        for title, predictions in answers(dataset):
            share, pairs = evaluation.depth_order(predictions, dataset)
            rows.append([title, f"{share:.1f} % of {pairs} pairs"])
        print("\n".join(evaluation.table_lines([name, "hidden one deeper"], rows)), flush=True)
    if args.out and config.dim == 3:
        _write_sheet(Predictor(args.weights), [*frames.values(), *pictures.values()], args.out)


def _pictures(args):
    """Data sets without 3D labels, by name."""
    found = {}
    if args.mpii:
        found["MPII"] = MPII(args.mpii, "valid")
    if args.lsp:
        found["LSP"] = LSP(args.lsp, "test")
    if args.limit:
        found = {k: Subset(v, range(min(args.limit, len(v)))) for k, v in found.items()}
    return found


def _mean_pose():
    """Mean of random poses relative to the pelvis, (16, 3) in mm."""
    drawn = DrawnPoses("train", 300, image_size=32)
    poses = np.stack([drawn[index].joints_3d for index in range(len(drawn))])
    return (poses - poses[:, :1]).mean(axis=0)


def _errors(answers, dataset, mean_pose):
    """Rows of the table: who gives the poses, and their P-MPJPE."""
    found = {}
    for title, predictions in answers.items():
        poses, true, _ = poses_relative_to_root(predictions, dataset)
        found[title] = poses[-1]
    found = {"the mean pose": np.broadcast_to(mean_pose, true.shape), **found}
    return [
        [title, f"{metrics.p_mpjpe(poses, true).total:.1f} mm"] for title, poses in found.items()
    ]


def _write_sheet(predictor, datasets, out):
    """Pictures with poses, each beside the pose from the front and from the side."""
    shown = []
    for dataset in datasets:
        for index in np.linspace(0, len(dataset) - 1, min(SHOWN, len(dataset))).astype(int):
            sample = dataset[int(index)]
            box = np.concatenate([sample.center - sample.side / 2, sample.center + sample.side / 2])
            image = load_image(sample.image)
            person = predictor(image, box, margin=1)
            picture = visualize.draw_skeleton(image, person.joints, person.skeleton)
            left, top, right, bottom = np.maximum(box, 0).astype(int)
            shown += [picture[top:bottom, left:right], person.draw_views()]
    path = Path(out) / "sheet.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    visualize.contact_sheet(shown, columns=8).savefig(path)
    print(f"wrote {path}")


def _parse(argv):
    parser = script_parser(__doc__)
    parser.add_argument("--weights", required=True, help=".h5 file, or name in weights/")
    parser.add_argument("--h36m", nargs="+", metavar="NPZ", help="labelled frames of Human3.6M")
    parser.add_argument("--mpi-inf", nargs="+", metavar="NPZ", help="of MPI-INF-3DHP")
    parser.add_argument("--mpii", metavar="FOLDER", help="validation persons of MPII")
    parser.add_argument("--lsp", metavar="FOLDER", help="test persons of LSP")
    parser.add_argument("--limit", type=int, metavar="N", help="first N persons of these")
    parser.add_argument("--out", metavar="FOLDER", help="folder of sheet.png, of a 3D network")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
