"""What qualifies, pure: a definition's text -> `Definition`; contacts, instant and definition -> evaluations."""
