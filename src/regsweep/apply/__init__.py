"""Carry a plan out: guard, lock, journal, executor."""
