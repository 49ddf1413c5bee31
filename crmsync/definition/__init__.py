"""
What qualifies, pure: a definition's text -> `Definition`; contacts, instant and definition -> evaluations.

nouns is the agreement as values; load reads a file into them (document/), evaluation/ decides by them and says why,
wording/ puts both into the words people use, review/ is what both teams look at before they sign (signing).
"""
