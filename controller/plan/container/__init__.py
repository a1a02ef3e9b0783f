"""What to do for one container: `planner.plan_container` is the door.

`inputs` says what a decision is made from, `actions` what it can come to, `verdict` whether a process should be started
or stopped, `links` and `status` work out the rest.
"""
