"""Feature extractors: image in, feature map out, at stride 8 unless the config says otherwise."""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from deephar.layers import CaffePreprocessing
from deephar.models.config import ModelConfig, ReceptionConfig
from deephar.models.units import (
    Numbering,
    batch_norm,
    batch_norm_relu,
    bottleneck_unit,
    conv,
    conv_bn,
    reception_unit,
    relu,
    require_channels_last,
)

VGG16_FEATURES = 1024
VGG16_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def build_stem(
    image: keras.KerasTensor,
    config: ModelConfig | ReceptionConfig,
    weights: str | Path | None = None,
) -> keras.KerasTensor:
    """The stem of a config; arguments and errors are those of the functions below.

    Raises:
        ValueError: As these, and `require_channels_last`.
    """
    require_channels_last()
    if config.stem == "vgg16":
        return vgg16_stem(image, config.stem_features, weights, config.stem_stride)
    if weights is not None:
        raise ValueError(
            f"The stem {config.stem!r} has no published weights, so it starts from random ones. "
            "Give --stem-weights none (in Python: stem_weights=None)."
        )
    if config.stem == "inception":
        return inception_stem(image, config.stem_features)
    if config.stem == "residual":
        return residual_stem(image, config.stem_features, config.stem_stride)
    return narrow_stem(image, config.stem_features)


def vgg16_stem(
    image: keras.KerasTensor, features: int, weights: str | Path | None = None, stride: int = 8
) -> keras.KerasTensor:
    """The 13 convolutions of VGG-16, its last levels joined at stride 8 or 4.

    At stride 8 and 1024 features, ``block4_conv3`` (512 channels) is joined with ``block5_conv3``
    (512, stride 16, upsampled). Otherwise these two, and ``block3_conv3`` at stride 4, are each
    projected and normalised, upsampled, and added up. Layer names of the convolutions are those of
    ``keras.applications.VGG16``.

    Args:
        image: ``(batch, height, width, 3)``, RGB in [-1, 1].
        features: output channels.
        weights: None for random values, ``"imagenet"`` (Keras downloads them once, 59 MB), or
            the path of a VGG-16 weights file without its classifier.
        stride: 8 or 4.

    Returns:
        ``(batch, height / stride, width / stride, features)``.

    Raises:
        FileNotFoundError, ValueError: The weights are missing, or are not those of VGG-16.
    """
    vgg = _vgg16(CaffePreprocessing(name="stem_preprocessing")(image), weights)
    blocks = {4: (3, 4, 5), 8: (4, 5)}[stride]
    levels = {block: vgg.get_layer(f"block{block}_conv3").output for block in blocks}
    if features != VGG16_FEATURES or stride != 8:
        return _add_levels(levels, features)
    # VGG-16 has no normalisation, so its features reach ten thousands. Without normalisation they
    # would dwarf what the pyramids add. Without scaling, variances would not fit into float16.
    x = layers.Rescaling(0.01, name="stem_scale")(_join(*levels.values()))
    return batch_norm(x, "stem_bn")


def narrow_stem(image: keras.KerasTensor, features: int) -> keras.KerasTensor:
    """VGG-16 at a quarter of its width, with batch normalisation, for training from random weights.

    The same 13 convolutions and the same two levels joined. VGG-16 itself, wide and without
    normalisation, needs a GPU and hours to train from random weights.

    Args:
        image: ``(batch, height, width, 3)``, RGB in [-1, 1].
        features: output channels.

    Returns:
        ``(batch, height / 8, width / 8, features)``.
    """
    x, levels = image, []
    for block, widths in enumerate(VGG16_BLOCKS, start=1):
        if block > 1:
            x = layers.MaxPooling2D(2, name=f"block{block - 1}_pool")(x)
        for number, width in enumerate(widths, start=1):
            x = conv(x, width // 4, f"block{block}_conv{number}", kernel_size=3)
            x = batch_norm_relu(x, f"block{block}", number)
        levels.append(x)
    x = conv(_join(*levels[-2:]), features, "stem_projection")
    return batch_norm(x, "stem_bn")


def residual_stem(image: keras.KerasTensor, features: int, stride: int = 8) -> keras.KerasTensor:
    """The stem of the authors' SPNet: pre-activated bottleneck units, wider with each halving.

    Args:
        image: ``(batch, height, width, 3)``.
        features: output channels; the first unit has ``features / log2(stride)``, and each halving
            adds as many.
        stride: 4, 8 or 16.

    Returns:
        ``(batch, height / stride, width / stride, features)``.

    Source: the code of Luvizon et al., TPAMI 2020.
    """
    halvings = stride.bit_length() - 1
    width = features // halvings
    x = conv(image, 64, "conv1", kernel_size=7, strides=2)
    x = bottleneck_unit(x, width, "res0")
    for level in range(2, halvings + 1):
        window = 3 if level == 2 else 2
        x = layers.MaxPooling2D(window, 2, padding="same", name=f"res_pool{level - 1}")(x)
        for unit in (2 * level - 3, 2 * level - 2):
            x = bottleneck_unit(x, level * width, f"res{unit}")
    return x


def inception_stem(image: keras.KerasTensor, features: int) -> keras.KerasTensor:
    """The stem of the authors' CVPR 2018 network, similar to Inception-v4.

    Args:
        image: ``(batch, height, width, 3)``.
        features: output channels; 576 in the authors' network.

    Returns:
        ``(batch, height / 8, width / 8, features)``.

    Source: Luvizon et al., CVPR 2018, and its code.
    """
    names = Numbering("Stem")
    x = relu(conv_bn(image, 32, names, 3, strides=2), names)
    x = relu(conv_bn(x, 32, names, 3), names)
    x = relu(conv_bn(x, 64, names, 3), names)

    a = relu(conv_bn(x, 96, names, 3, strides=2), names)
    b = layers.MaxPooling2D(3, 2, padding="same", name=names("max_pooling2d"))(x)
    x = layers.Concatenate(name=names("concatenate"))([a, b])

    a = relu(conv_bn(x, 64, names), names)
    a = conv_bn(a, 96, names, 3)
    b = relu(conv_bn(x, 64, names), names)
    b = relu(conv_bn(b, 64, names, (5, 1)), names)
    b = relu(conv_bn(b, 64, names, (1, 5)), names)
    b = conv_bn(b, 96, names, 3)
    x = layers.Concatenate(name=names("concatenate"))([a, b])

    a = conv_bn(relu(x, names), 192, names, 3, strides=2)
    b = layers.MaxPooling2D(2, name=names("max_pooling2d"))(x)
    x = layers.Concatenate(name=names("concatenate"))([a, b])
    return reception_unit(x, features, 3, "Stem_sepconv1")


def _add_levels(levels, features):
    """Adds up the levels of several blocks, at the resolution of the first.

    Each is normalised on its own, since features of VGG-16 differ tenfold from block to block.
    """
    total = None
    for number, x in reversed(levels.items()):
        x = layers.Rescaling(0.01, name=f"stem_scale{number}")(x)
        x = batch_norm(conv(x, features, f"stem_projection{number}"), f"stem_bn{number}")
        if total is not None:
            upsampling = layers.UpSampling2D(
                2, interpolation="bilinear", name=f"stem_upsampling{number}"
            )
            x = layers.Add(name=f"stem_add{number}")([x, upsampling(total)])
        total = x
    return total


def _join(stride8, stride16):
    upsampled = layers.UpSampling2D(2, interpolation="bilinear", name="stem_upsampling")(stride16)
    return layers.Concatenate(name="stem_join")([stride8, upsampled])


def _vgg16(x, weights):
    if weights is None:
        return keras.applications.VGG16(include_top=False, weights=None, input_tensor=x)
    if weights != "imagenet" and not Path(weights).is_file():
        raise FileNotFoundError(
            f"{weights}: There is no such file of stem weights. Give 'imagenet', or the path of a "
            "VGG-16 weights file without classifier."
        )
    try:
        return keras.applications.VGG16(include_top=False, weights=weights, input_tensor=x)
    except Exception as error:  # Keras raises a bare Exception when a download fails
        if weights == "imagenet":
            raise FileNotFoundError(
                f"The ImageNet weights of VGG-16 could not be downloaded ({error}). On a machine "
                "without internet, fetch vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 "
                "elsewhere and give its path as the stem weights."
            ) from error
        raise ValueError(
            f"{weights} is damaged, or not a VGG-16 weights file without classifier ({error}). "
            "Such a file has 13 convolutions, block1_conv1 to block5_conv3."
        ) from error
