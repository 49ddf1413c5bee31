"""
The settings: config/crmsync.toml < environment (CRMSYNC_ prefix, `__` between levels) < command line.

sections.py has the settings, sources.py where they come from; `load` is the only way in.
"""

from crmsync.settings.loading import Loaded, Origin, defaults, load
from crmsync.settings.sections import DefinitionSettings, Settings

__all__ = ["DefinitionSettings", "Loaded", "Origin", "Settings", "defaults", "load"]
