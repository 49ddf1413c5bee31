"""
Changes that bring others with them: associations and the primary company, merges, what people do from outside,
what the portal does by itself a little later, and what it tells others of all this.
"""
