"""From a task and its batches to trained weights. The loop yields its steps; whoever runs it saves and scores."""
