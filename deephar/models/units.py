"""Building blocks of the networks: tensors and a name in, tensors out.

Structure and layer names follow the authors' networks, so that their weight files fit by name.
Convolutions have no bias, since batch normalisation follows them.
"""

from __future__ import annotations

from collections import Counter

import keras
from keras import layers

# Momentum of the moving averages. Keras's default, 0.99, takes some 500 batches to converge, so
# short runs and early validation scores would mean nothing.
_MOMENTUM = 0.9


def require_channels_last() -> None:
    """Raises if Keras is set to images whose channels come first.

    Raises:
        ValueError: It is; the networks are written for channels that come last.
    """
    if keras.config.image_data_format() != "channels_last":
        raise ValueError(
            "Keras is set to the image data format 'channels_first', but these networks need "
            "'channels_last'. Change image_data_format in ~/.keras/keras.json, or call "
            "keras.config.set_image_data_format('channels_last')."
        )


def conv(
    x: keras.KerasTensor,
    filters: int,
    name: str,
    kernel_size: int | tuple[int, int] = 1,
    strides: int | tuple[int, int] = 1,
) -> keras.KerasTensor:
    return layers.Conv2D(filters, kernel_size, strides, padding="same", use_bias=False, name=name)(
        x
    )


def separable_conv(
    x: keras.KerasTensor, filters: int, kernel_size: int, name: str
) -> keras.KerasTensor:
    return layers.SeparableConv2D(filters, kernel_size, padding="same", use_bias=False, name=name)(
        x
    )


def batch_norm(x: keras.KerasTensor, name: str, scale: bool = True) -> keras.KerasTensor:
    return layers.BatchNormalization(momentum=_MOMENTUM, scale=scale, name=name)(x)


def batch_norm_relu(x: keras.KerasTensor, name: str, index: int) -> keras.KerasTensor:
    x = batch_norm(x, f"{name}_bn{index}")
    return layers.ReLU(name=f"{name}_act{index}")(x)


def residual_unit(
    x: keras.KerasTensor, kernel_size: int, name: str, filters: int | None = None
) -> keras.KerasTensor:
    """Pre-activated separable residual unit.

    Args:
        x: ``(batch, height, width, channels)``.
        kernel_size: side of the depth-wise kernel.
        name: prefix of the layer names.
        filters: output channels; a number other than ``channels`` adds a 1x1 convolution to the
            shortcut, which then starts from the activated features.

    Returns:
        ``(batch, height, width, filters)``.
    """
    channels = x.shape[-1]
    filters = filters or channels
    activated = batch_norm_relu(x, name, 1)
    shortcut = x if filters == channels else conv(activated, filters, f"{name}_shortcut_conv")
    y = separable_conv(activated, filters, kernel_size, f"{name}_conv1")
    return layers.Add(name=f"{name}_add")([shortcut, y])


def downscaling_unit(
    x: keras.KerasTensor, filters: int, kernel_size: int, name: str
) -> keras.KerasTensor:
    """Halves the resolution: ``(batch, h, w, c)`` to ``(batch, h / 2, w / 2, filters)``."""
    x = layers.MaxPooling2D(2, name=f"{name}_pool")(x)
    return residual_unit(x, kernel_size, f"{name}_r0", filters)


def upscaling_unit(
    x: keras.KerasTensor, filters: int, kernel_size: int, name: str
) -> keras.KerasTensor:
    """Doubles the resolution: ``(batch, h, w, c)`` to ``(batch, 2 h, 2 w, filters)``."""
    x = layers.UpSampling2D(2, name=f"{name}_upsampling")(x)
    return residual_unit(x, kernel_size, f"{name}_r0", filters)


def bottleneck_unit(
    x: keras.KerasTensor, filters: int, name: str, reduction: int = 2
) -> keras.KerasTensor:
    """Pre-activated residual unit with a narrow middle: ``filters / reduction`` channels.

    Args:
        x: ``(batch, height, width, channels)``.
        filters: output channels; a number other than ``channels`` adds a 1x1 convolution to the
            shortcut, which then starts from the activated features.
        name: prefix of the layer names.
        reduction: factor by which the middle is narrower.

    Returns:
        ``(batch, height, width, filters)``.
    """
    activated = batch_norm_relu(x, name, 1)
    shortcut = x
    if x.shape[-1] != filters:
        shortcut = conv(activated, filters, f"{name}_shortcut_conv")
    y = conv(activated, filters // reduction, f"{name}_conv1")
    y = conv(batch_norm_relu(y, name, 2), filters, f"{name}_conv2", kernel_size=3)
    return layers.Add(name=f"{name}_add")([shortcut, y])


# --------------------------------------------------------------------- the network of CVPR 2018


class Numbering:
    """Names for the layers of one part of a network: ``part_conv2d_1``, ``part_conv2d_2``, ...

    The authors left most of these layers unnamed. Their weight files identify them by the order in
    which they were built, and this class counts in the same order.

    Args:
        part: prefix of the names.
    """

    def __init__(self, part: str) -> None:
        self._part = part
        self._counts = Counter()

    def __call__(self, kind: str) -> str:
        """The next name for a kind of layer, such as ``"conv2d"``."""
        self._counts[kind] += 1
        return f"{self._part}_{kind}_{self._counts[kind]}"


def relu(x: keras.KerasTensor, names: Numbering) -> keras.KerasTensor:
    return layers.ReLU(name=names("relu"))(x)


def conv_bn(
    x: keras.KerasTensor,
    filters: int,
    names: Numbering,
    kernel_size: int | tuple[int, int] = 1,
    strides: int | tuple[int, int] = 1,
) -> keras.KerasTensor:
    """Convolution and batch normalisation, named by a `Numbering`."""
    x = conv(x, filters, names("conv2d"), kernel_size, strides)
    return batch_norm(x, names("batch_normalization"), scale=False)


def reception_unit(
    x: keras.KerasTensor, filters: int, kernel_size: int, name: str
) -> keras.KerasTensor:
    """Separable residual unit of the CVPR 2018 network: ReLU first, batch normalisation last.

    Args:
        x: ``(batch, height, width, channels)``.
        filters: output channels; a number other than ``channels`` adds a 1x1 convolution to the
            shortcut.
        kernel_size: side of the depth-wise kernel.
        name: prefix of the layer names.

    Returns:
        ``(batch, height, width, filters)``.
    """
    shortcut = x
    if x.shape[-1] != filters:
        shortcut = layers.ReLU(name=f"{name}_shortcut_act")(x)
        shortcut = conv(shortcut, filters, f"{name}_shortcut_conv")
        shortcut = batch_norm(shortcut, f"{name}_shortcut", scale=False)
    y = layers.ReLU(name=f"{name}_act")(x)
    y = separable_conv(y, filters, kernel_size, f"{name}_conv")
    y = batch_norm(y, name, scale=False)
    return layers.Add(name=f"{name}_add")([shortcut, y])
