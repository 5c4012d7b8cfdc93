"""The page that shows what a model attended to: one HTML file that needs no network."""
