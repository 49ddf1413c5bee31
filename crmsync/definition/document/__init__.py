"""YAML text -> the nouns of a definition, with every problem at once, each with file, line and column."""
