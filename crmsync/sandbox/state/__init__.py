"""
What a portal holds, and the only ways it changes. Knows no path and no limit.

`world` holds all of it: shelves of records, their schemas, the graph of associations, the search index that is late,
the directory of owners and pipelines, what marketing sees, and the rules of the administrator.
"""
