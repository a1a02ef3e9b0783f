"""Why an archive is not taken."""


class Hostile(Exception):
    """The archive is none, is broken, or asks for what no image needs; the text goes on after the archive's name."""
