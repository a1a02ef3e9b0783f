"""What the child of `unpacker` is made of; it imports nothing else of hold, so that it starts fast.

inputs    where packed bytes come from: a pipe, a file, a file that grows
streams   decompression, digest and limits, each in a thread of its own
tar       headers of entries: ustar, pax, GNU
sparse    maps of files with holes
extract   entries become files below the process' root directory
whiteouts what a layer removes of those below it
"""
