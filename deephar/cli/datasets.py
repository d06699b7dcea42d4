"""Data sets as the arguments of a script name them."""


# ----------------------------------------------------------------------------- actions on videos

SYNTHETIC = "synthetic"
"""In place of a folder: the built-in data set."""


def open_videos(
    folder, split, frames=True, drawn=False, actions=None, protocol=None, skeleton="ntu25"
):
    """The video data set that the arguments of a script name.

    Args:
        folder: of Penn Action, or "synthetic" for the built-in set; of NTU RGB+D with `protocol`.
        split: "train" or "test".
        frames: whether frames are needed, or the labels are enough.
        drawn: whether the frames are drawn from the labels of the folder.
        actions: names of the actions of a folder with others than Penn Action's 15.
        protocol: of NTU RGB+D: "cross-subject" or "cross-view".
        skeleton: joint layout in which NTU RGB+D is served.

    Returns:
        The data set; `name` tells that it is synthetic, or drawn.

    Raises:
        FileNotFoundError, ValueError: as the data sets.
    """
    from deephar import data

    if protocol is not None:
        return data.NTU(folder, split, protocol=protocol, frames=frames, skeleton=skeleton)
    if folder == SYNTHETIC:
        if drawn:
            raise ValueError("--drawn draws the labels of a folder of Penn Action: give its --data")
        return data.Synthetic(split=split)
    if drawn:
        return data.DrawnPenn(folder, split=split, actions=actions)
    # Hidden joints are guesses, many of them far off: not to be learned, and not scored.
    return data.PennAction(folder, split=split, frames=frames, actions=actions, hidden=False)


def open_ntu(args, name):
    """NTU RGB+D as the weights are to be scored on it.

    Args:
        args: with ``data``, ``split``, ``protocol`` (None for that of the weights), ``poses``.
        name: name or path of the weights.

    Raises:
        FileNotFoundError, ValueError: as ``NTU``, or the weights were trained by another protocol.
    """
    from deephar import weights

    path = weights.find(name)
    trained = weights.read_facts(path).get("protocol")
    if trained and args.protocol not in (None, trained):
        raise ValueError(
            f"{name}: these weights were trained by the protocol {trained}: they know videos that "
            f"{args.protocol} tests on; give --protocol {trained}, or other weights"
        )
    return open_videos(
        args.data,
        args.split,
        args.poses == "predicted",
        protocol=args.protocol or trained or "cross-subject",
        skeleton=weights.read_config(path).skeleton,
    )
