"""The imperative shell: keys come in, facts are observed, plans carried out, statuses recorded.

`engine.Reconciler` is the door.
"""
