"""Very many containers on one network, by a daemon; see `make test-scale`."""
