"""The gRPC face of hold."""
