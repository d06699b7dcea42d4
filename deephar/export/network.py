"""What is exported of a network: its input, and values to try it with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

MIN_CLIP_FRAMES = 4
"""The shortest clip that the networks take."""

_TRIAL_BATCH, _TRIAL_FRAMES = 2, 8


def takes_clips(model: keras.Model) -> bool:
    """Whether the inputs of a network are clips, of any number of frames."""
    return all(len(tensor.shape) > 2 and tensor.shape[1] is None for tensor in model.inputs)


def check_frames(model: keras.Model, frames: int | None) -> None:
    """Checks a number of frames for a network.

    Args:
        model: the network.
        frames: frames of its clips; None if they are not fixed.

    Raises:
        ValueError: The network takes single images, or longer clips.
    """
    if frames is None:
        return
    if not takes_clips(model):
        raise ValueError(
            f"The network takes single images, got frames={frames}. Leave the frames out."
        )
    if frames < MIN_CLIP_FRAMES:
        raise ValueError(
            f"The network takes clips of {MIN_CLIP_FRAMES} frames or more, got frames={frames}. "
            "Give the frames that it was trained on."
        )


def takes_images(model: keras.Model) -> bool:
    """Whether the input of a network is images, or clips of images."""
    shape = model.inputs[0].shape
    return len(model.inputs) == 1 and len(shape) in (4, 5) and shape[-3] is not None


def with_uint8_input(model: keras.Model) -> keras.Model:
    """A network that takes pixel values from 0 to 255, in place of numbers in [-1, 1].

    Args:
        model: a network of images or clips.

    Returns:
        A ``keras.Model`` with a uint8 input of the same shape and name, and the same outputs.

    Raises:
        ValueError: The network takes poses.
    """
    import keras
    from keras import ops

    if not takes_images(model):
        raise ValueError("The network takes no images, so no uint8 input fits. Leave uint8 out.")
    (image,) = model.inputs
    pixels = keras.Input(image.shape[1:], dtype="uint8", name=image.name)
    return keras.Model(pixels, model(ops.cast(pixels, "float32") / 127.5 - 1.0), name=model.name)


def input_signature(
    model: keras.Model, *, batch: int | None = None, frames: int | None = None
) -> list:
    """Shapes and types of a network's input, for ``keras.Model.export``.

    Args:
        model: a network of `deephar.models`, or a part of one.
        batch: size of the batch; None for any.
        frames: frames of the clips; None for any, and for networks of images.

    Returns:
        A list of one element: a ``keras.InputSpec``, or a dict of them.
    """
    import keras

    def spec(tensor):
        shape = (batch, *tensor.shape[1:])
        if frames is not None:
            shape = (batch, frames, *tensor.shape[2:])
        return keras.InputSpec(shape=shape, dtype=tensor.dtype, name=tensor.name)

    return [keras.tree.map_structure(spec, model.input)]


def trial_input(model: keras.Model, *, batch: int | None = None, frames: int | None = None) -> Any:
    """Random input for a network: images with coarse and fine structure, or poses.

    Args:
        model: the network.
        batch: size of the batch; None for 2.
        frames: frames of clips; None for 8.

    Returns:
        An array, or a dict of arrays, as the network takes them.
    """
    import keras

    rng = np.random.default_rng(0)

    def values(tensor):
        shape = [batch or _TRIAL_BATCH, *tensor.shape[1:]]
        shape[1] = shape[1] or frames or _TRIAL_FRAMES
        if not takes_images(model):
            return rng.uniform(0, 1, shape).astype("float32")
        images = _random_images(rng, shape)
        if tensor.dtype == "uint8":
            return np.rint((images + 1) * 127.5).astype("uint8")
        return images

    return keras.tree.map_structure(values, model.input)


def _random_images(rng, shape):
    """Images in [-1, 1], of a side that is a multiple of 8."""
    *leading, height, width, _ = shape
    images = np.zeros(shape, "float32")
    for size in (1, 2, 8):
        squares = rng.uniform(-1, 1, (*leading, height // size, width // size, 3))
        images += np.repeat(np.repeat(squares, size, axis=-3), size, axis=-2) / 3
    return images
