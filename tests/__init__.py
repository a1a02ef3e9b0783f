"""Tests of hold, by tier: unit, contract, kernel, e2e; fakes and the test host beside them."""
