"""Generated from proto/controller/plugins/v1 by `make proto`."""
