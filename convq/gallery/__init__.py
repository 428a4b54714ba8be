"""The pictures of the documentation, made by the code that they show: ``make gallery``."""
