"""Side-by-side measurements of recording_tasks and what a user would pick instead."""
