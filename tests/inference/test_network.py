"""Networks of clips for single images."""

import keras
import numpy as np
import pytest
from dots import SIZE

from deephar.inference.network import call_network, for_stills, stills_network
from deephar.layers import TimeDistributed


@pytest.mark.parametrize("num_frames", [None, 4, 5])
@pytest.mark.parametrize("count", [1, 4, 7])
def test_a_clip_network_gives_the_poses_of_single_images(reader, num_frames, count):
    stills = reader()
    clip = keras.Input((num_frames, SIZE, SIZE, 3))
    network = for_stills(keras.Model(clip, TimeDistributed(stills)(clip)))
    images = np.random.default_rng(0).uniform(-1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)
    expected = call_network(stills, images)["pose"]
    np.testing.assert_allclose(network(images)["pose"], expected, atol=1e-5)


def test_a_network_of_images_stays_as_it_is(reader):
    network = reader()
    assert stills_network(network) is network
