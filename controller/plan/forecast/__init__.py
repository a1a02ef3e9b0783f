"""What the loops will do, found by planning on a world that each step is believed to change as it should.

`foresee.foresee` is the door; `advance` says what each step is believed to do.
"""
