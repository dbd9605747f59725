"""Who else may look? What Tiltyard serves over HTTP: figures of runs, for people and for Prometheus.

Reads what the run engine tells and what the store keeps; starts nothing and changes nothing.
"""
