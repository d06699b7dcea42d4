"""The command line: arguments to calls of the library. Only here are arguments parsed."""

from deephar.errors import hide_interrupts

hide_interrupts()  # the imports of a script take seconds
