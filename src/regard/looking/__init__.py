"""Pictures of training and of what attends to what. ``figures`` has them all; ``align`` turns attention into words."""
