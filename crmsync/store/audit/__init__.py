"""The audit trail: appended by ../writer.py, settled, read, filtered, exported and proved here."""
