"""Package metadata and dependencies; tool settings live in pyproject.toml."""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(
    r'^__version__ = "(.+)"$',
    (ROOT / "tfcompress" / "__init__.py").read_text("utf-8"),
    re.MULTILINE,
).group(1)

INSTALL_REQUIRES = [
    "ai-edge-litert>=2.3,<2.4",
    "click>=8.1,<9",
    "dm-env>=1.6,<2",
    "filelock>=3.16,<4",
    "flatbuffers>=24.3,<27",
    "h5py>=3.11,<4",
    "jinja2>=3.1,<4",
    "keras>=3.13,<3.16",
    "matplotlib>=3.9,<4",
    "numpy>=2.0,<2.6",
    "pillow>=11,<14",
    "psutil>=6,<8",
    "rich>=13.9,<16",
    "scipy>=1.13,<2",
    "tensorflow>=2.21,<2.22",
    "threadpoolctl>=3.5,<4",
    # tensorflow-model-optimization needs Keras 2; naming it locks tensorflow's minor.
    "tf-keras>=2.21,<2.22",
    "tensorflow-model-optimization>=0.8.1,<0.9",
]

EXTRAS_REQUIRE = {
    "dev": [
        "gymnasium>=1.0,<2",  # the adapter of AMC's environment is checked with it
        "hypothesis>=6.130,<7",
        "import-linter>=2.3,<3",
        "mypy>=1.15,<3",
        "pytest>=8.3,<10",
        "pytest-timeout>=2.3,<3",
        "pytest-xdist>=3.6,<4",
        "ruff>=0.11,<0.18",
        "towncrier>=24.8,<27",
    ],
    "docs": ["mkdocs>=1.6,<2"],
    "gym": ["gymnasium>=1.0,<2"],
    "tensorboard": ["tensorboard>=2.19,<2.22"],
}

setuptools.setup(
    name="tfcompress",
    version=VERSION,
    description="Make trained Keras 3 models small and fast enough for phones.",
    long_description=(ROOT / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=setuptools.find_packages(
        include=["tfcompress", "tfcompress.*", "android_bench", "android_bench.*"]
    ),
    package_data={
        "android_bench.native": ["*.c", "*.h"],
        "tfcompress": ["py.typed"],
        "tfcompress.data": ["embedded/*"],
        "tfcompress.report": ["templates/*"],
    },
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    entry_points={
        "console_scripts": [
            "tfcompress = tfcompress.cli.main:main",
            "android_bench = android_bench.__main__:main",
        ]
    },
)
