"""Generated from proto/controller/api/v1; `make proto` renews it."""
