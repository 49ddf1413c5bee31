"""A period of the store -> a report for colleagues without access: gather.py reads, page.py and text.py tell."""
