"""An invented company for an empty portal, the same for the same seed: `company` tells it from beginning to end."""
