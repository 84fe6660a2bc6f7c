"""The shop's suite, one module for each of the shop's."""
