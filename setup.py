"""Installs the deephar package: ``pip install .`` (extras: cuda, jax, torch, export, test)."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent

setup(
    name="deephar",
    version="0.1.0",
    description="Joint 2D/3D human pose estimation and action recognition from RGB video.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["deephar", "deephar.*"]),
    install_requires=[
        "tensorflow>=2.18",
        "keras>=3.8",
        "numpy>=1.26",
        "opencv-python-headless>=4.9",
        "h5py>=3.11",
        "scipy>=1.12",
        "matplotlib>=3.8",
    ],
    extras_require={
        "cuda": ["tensorflow[and-cuda]>=2.18"],
        "jax": ["jax>=0.4.30"],
        "torch": ["torch>=2.4"],
        "export": ["onnx>=1.16", "tf2onnx>=1.16"],
        "test": ["pytest>=8", "pytest-xdist>=3.5", "pillow>=10", "ruff>=0.6"],
    },
)
