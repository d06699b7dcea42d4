"""The command line: arguments to calls of the library. Only here are arguments parsed."""
