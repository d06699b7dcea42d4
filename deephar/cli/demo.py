"""The demo: poses and actions drawn over a video."""

from deephar.cli.train import set_precision

# ------------------------------------------------------------------------------------------ demo


def annotate(args):
    """Annotates a video as ``exp/demo.py`` is told to, with a progress bar.

    Raises:
        FileNotFoundError, ValueError, OSError: as ``annotate_video``.
    """
    from deephar.inference.annotate import annotate_video
    from deephar.inference.predictor import Predictor

    set_precision(args)
    predictor = Predictor(args.weights, head=args.head)
    print(predictor)
    video, numbers, actions = annotate_video(
        predictor,
        args.video,
        args.out,
        box=args.box,
        subsampling=args.subsampling,
        progress=True,
    )
    for name, score in (actions or [])[:5]:
        print(f"  {100 * score:5.1f} %  {name}")
    print("\nwrote", video, numbers, sep="\n  ")
