"""A definition -> what to know before signing it: check, lint, agreed examples, difference from another one."""
