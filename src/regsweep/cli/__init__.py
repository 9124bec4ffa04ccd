"""The command line: options, wiring, exit codes."""

import gc

# Before anything else is imported: what a command needs are thousands of objects and no garbage among them, and later
# millions of rows pass through that make no reference cycles.
gc.set_threshold(200_000, 50, 100)
