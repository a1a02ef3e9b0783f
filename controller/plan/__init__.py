"""The functional core: what to do, decided from desired state, observed facts and the time; touches nothing."""
