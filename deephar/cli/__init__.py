"""The command line: arguments to calls of the library."""
