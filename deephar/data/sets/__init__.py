"""The data sets, each read from the layout that it is published in."""
