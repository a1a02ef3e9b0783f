"""Whole daemons, driven from outside, in a test host."""
