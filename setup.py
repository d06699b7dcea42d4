"""Installs the deephar package: ``pip install .`` (extras: see ``extras_require``)."""

import json
import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "deephar" / "version.py").read_text())[1]

# Entries with a URL are files of others, which are not part of this project. A file may have
# several names.
INDEX = json.loads((ROOT / "weights" / "index.json").read_text(encoding="utf-8"))
SHIPPED_WEIGHTS = sorted({entry["file"] for entry in INDEX.values() if "url" not in entry})

# What writes and runs ONNX and LiteRT. TensorFlow and Keras write SavedModel.
EXPORT = ["onnx>=1.17", "tf2onnx>=1.17", "onnxruntime>=1.20", "ai-edge-litert>=1.2"]

setup(
    name="deephar",
    version=VERSION,
    description="Joint 2D/3D human pose estimation and action recognition from RGB video.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    project_urls={
        "Paper (CVPR 2018)": "https://arxiv.org/abs/1802.09232",
        "Paper (TPAMI 2020)": "https://arxiv.org/abs/1912.08077",
        "The authors' implementation": "https://github.com/dluvizon/deephar",
    },
    keywords=[
        "human pose estimation",
        "3D pose estimation",
        "action recognition",
        "multitask learning",
        "soft-argmax",
        "computer vision",
        "keras",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Education",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    # The folder of the weights stays at the top of the repository; installed, it is in the package.
    packages=[*find_packages(include=["deephar", "deephar.*"]), "deephar.weights.shipped"],
    package_dir={"deephar.weights.shipped": "weights"},
    package_data={
        "deephar": ["py.typed"],
        "deephar.examples": ["*.jpg", "*.mp4"],
        "deephar.weights.shipped": ["index.json", *SHIPPED_WEIGHTS],
    },
    entry_points={"console_scripts": ["deephar = deephar.cli.main:main"]},
    install_requires=[
        "tensorflow>=2.18",
        "keras>=3.8",
        "numpy>=1.26",
        "opencv-python-headless>=4.9",
        "av>=17",
        "pillow>=11.3",
        "h5py>=3.11",
        "scipy>=1.12",
        "matplotlib>=3.8",
    ],
    extras_require={
        "cuda": ["tensorflow[and-cuda]>=2.18"],
        "jax": ["jax>=0.5.1"],
        "torch": ["torch>=2.4"],
        "app": ["gradio>=6"],
        "fast": ["openvino>=2025.0"],
        "int8": ["openvino>=2025.0", "nncf>=2.15"],
        "export": EXPORT,
        "coco": ["pycocotools>=2.0.8"],
        "ray": ["ray[data]>=2.40", "pyarrow>=16"],
        "detector": ["keras-hub>=0.22"],
        "notebooks": ["ipykernel>=6.29", "nbclient>=0.10", "pandas>=2.2"],
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.5,<10", "mkdocstrings[python]>=0.27"],
        "test": [
            *EXPORT,
            "gradio>=6",
            "keras-hub>=0.22",
            "motmetrics>=1.4",
            "openvino>=2025.0",
            "pandas>=2.2",
            "playwright>=1.49",
            "pyarrow>=16",
            "pycocotools>=2.0.8",
            "pytest>=8",
            "pytest-xdist>=3.5",
            "ruff>=0.6",
            "setuptools>=70.1",
        ],
    },
)
