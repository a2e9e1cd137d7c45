"""What this deployment was told by its environment: read once, every fault reported together."""

from recording_tasks.settings.model import LONGEST_TOKEN, AppProfile, Settings
from recording_tasks.settings.reading import read_settings

__all__ = ["LONGEST_TOKEN", "AppProfile", "Settings", "read_settings"]
