"""What qualifies, pure: a definition's text -> `Definition`; contacts, instant and definition -> evaluations."""

from crmsync.definition.evaluator import Evaluator
from crmsync.definition.load import load
from crmsync.definition.nouns import Definition
from crmsync.definition.records import BadLine, BadRecord, evaluate_lines, evaluation_json, parse_record

__all__ = [
    "BadLine",
    "BadRecord",
    "Definition",
    "Evaluator",
    "evaluate_lines",
    "evaluation_json",
    "load",
    "parse_record",
]
