"""The trail's entries -> what people want to know of them: timelines, periods, plans at a glance, words. Pure."""
