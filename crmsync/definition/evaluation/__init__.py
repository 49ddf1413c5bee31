"""Contacts, an instant and a definition -> evaluations and their explanations, as data-frame expressions."""
