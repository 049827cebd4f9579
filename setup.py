"""What the wheel carries besides code: the lessons and the committed results; everything else is in pyproject.toml."""
from setuptools import find_packages, setup

DATA = {"semdepth_lite.course.lessons": "notebooks", "semdepth_lite.experiments.committed": "figures/results"}

setup(
    packages=find_packages(include=["semdepth_lite*"]) + list(DATA),
    package_dir=DATA,
    package_data={
        "semdepth_lite": ["py.typed", "pretrained_weights/*"],
        "semdepth_lite.course.lessons": ["*.ipynb", "*.md", "solutions/*.ipynb"],
        "semdepth_lite.experiments.committed": ["*.json"],
    },
)
