"""Feature extractors: image in, feature map at stride 8 out."""

from pathlib import Path

import keras
from keras import layers

from deephar.layers import CaffePreprocessing
from deephar.models.units import batch_norm, conv

VGG16_FEATURES = 1024


def vgg16_stem(image, features, weights=None):
    """The 13 convolutions of VGG-16, two of its levels joined at stride 8.

    ``block4_conv3`` (512 channels, stride 8) is joined with ``block5_conv3`` (512, stride 16,
    upsampled). Layer names are those of ``keras.applications.VGG16``.

    Args:
        image: ``(batch, height, width, 3)``, RGB in [-1, 1].
        features: output channels; other than 1024 adds a 1x1 projection.
        weights: None for random values, ``"imagenet"`` (Keras downloads them once, 59 MB), or
            the path of a VGG-16 weights file without its classifier.

    Returns:
        ``(batch, height / 8, width / 8, features)``.

    Raises:
        FileNotFoundError, ValueError: the weights cannot be had, or are not VGG-16's.
    """
    vgg = _vgg16(CaffePreprocessing(name="stem_preprocessing")(image), weights)
    stride8 = vgg.get_layer("block4_conv3").output
    stride16 = vgg.get_layer("block5_conv3").output
    upsampled = layers.UpSampling2D(2, interpolation="bilinear", name="stem_upsampling")(stride16)
    x = layers.Concatenate(name="stem_join")([stride8, upsampled])
    # VGG-16 has no normalisation: its features reach ten thousands. Unnormalised, they would drown
    # what the pyramids add to them; unscaled, their variances would not fit into float16 files.
    x = layers.Rescaling(0.01, name="stem_scale")(x)
    if features != VGG16_FEATURES:
        x = conv(x, features, "stem_projection")
    return batch_norm(x, "stem_bn")


def _vgg16(x, weights):
    if weights is None:
        return keras.applications.VGG16(include_top=False, weights=None, input_tensor=x)
    if weights != "imagenet" and not Path(weights).is_file():
        raise FileNotFoundError(
            f"stem weights {weights}: no such file; give 'imagenet' or the path of a VGG-16 "
            "weights file without classifier"
        )
    try:
        return keras.applications.VGG16(include_top=False, weights=weights, input_tensor=x)
    except Exception as error:  # Keras raises a bare Exception when a download fails
        if weights == "imagenet":
            raise FileNotFoundError(
                "the ImageNet weights of VGG-16 could not be downloaded; on a machine without "
                "internet, fetch vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5 elsewhere "
                f"and give its path as the stem weights (the download said: {error})"
            ) from error
        raise ValueError(
            f"stem weights {weights}: not a VGG-16 weights file without classifier (13 "
            f"convolutions, block1_conv1 to block5_conv3), or damaged: {error}"
        ) from error
