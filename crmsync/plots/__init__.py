"""What a period or a life looks like, as SVG for pages and reports and as text for a terminal."""
