"""The configs of the authors' reference files, as their descriptions say."""

from dataclasses import replace

from deephar.models import ModelConfig, ReceptionConfig

SPNET = ModelConfig(
    stem="residual",
    stem_features=48,
    image_size=128,
    growth=16,
    num_levels=3,
    visibility="window_mass",
    centred=False,
)
SPNET_CLIPS = replace(SPNET, image_size=64, num_frames=8, pose_features=32, appearance_features=32)
SPNET_3D = {"skeleton": "pa17j", "dim": 3, "depth": "regression"}
STRIDE_4 = {"stem_stride": 4, "stem_features": 32}
RECEPTION = ReceptionConfig(image_size=64, num_blocks=2)
AUTHORS = {
    "spnet_pose2d": SPNET,
    "spnet_pose3d": replace(SPNET, **SPNET_3D, image_size=96),
    "spnet_multitask2d": replace(SPNET_CLIPS, image_size=96, actions={"penn": 15}),
    "spnet_multitask3d": replace(SPNET_CLIPS, **SPNET_3D, **STRIDE_4, actions={"actions": 12}),
    "spnet_multitask2d_replica": replace(
        SPNET_CLIPS, **STRIDE_4, actions={"penn": 15}, action_pyramids=(2,), pose_replica=True
    ),
    "reception_pose2d_context": RECEPTION,
    "reception_pose3d": replace(RECEPTION, skeleton="pa17j", dim=3, context_maps=0, depth_maps=8),
    "merge2d": replace(RECEPTION, num_frames=8, actions={"penn": 15}),
}
