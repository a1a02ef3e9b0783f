"""Command lines that Docker and hold both know, run by both; beside this file, the lines by topic.

*.txt       the lines: each is a piece of shell in which `docker` is the engine
lines.py    reading them
trial.py    one engine and what comes of each line
shapes.py   what of an output counts
"""
