"""What qualifies, pure: a definition's text -> `Definition`; contacts, instant and definition -> evaluations."""

from crmsync.definition.load import load
from crmsync.definition.nouns import Definition

__all__ = ["Definition", "load"]
