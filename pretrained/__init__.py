"""Pretrained models: a folder for each, which ``gandem generate dcgan@digits`` and others open.

``recipes.toml`` lists how they were trained; ``make pretrained`` writes them.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
"""The folder whose subfolders have the names of the models."""
