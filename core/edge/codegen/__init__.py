"""Machine code for the processor of a box, written on the server and carried in a bundle."""
