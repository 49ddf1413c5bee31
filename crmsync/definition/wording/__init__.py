"""Definitions and evaluations -> the words people read: sentences, cards, the whole arithmetic, a page to sign."""
