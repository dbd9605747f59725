"""Which run is a job, and how does its sitting end? The path between the two is `run.py`'s."""
