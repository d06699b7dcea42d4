"""Inference: what a trained network says of pictures, videos and data sets."""
