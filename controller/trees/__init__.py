"""Directory trees as tar streams, both ways, by descriptors alone: no link in a tree leads a step astray.

    landing   where something copied comes to lie (Docker's rules for `cp`); pure
    paths     from a path to the directory and the name in it
    writer    from a tree to a stream
    planter   from a stream to a tree

Used on both ends of a copy: by the client in the user's own directories, and by the child that works inside a
container's root.
"""
