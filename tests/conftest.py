"""Tests never ask a hub: what they load, they make or find in the package. Set before transformers is imported."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
