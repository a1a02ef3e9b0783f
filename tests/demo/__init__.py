"""The main job, shown to a person: `make demo`.

Runs in a test host, so that nothing of the machine is touched. Every step checks what it shows; the first that fails
ends the demo with exit code 1.
"""
