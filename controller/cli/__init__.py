"""The command line: a client of the gRPC API that imports nothing of the daemon."""
