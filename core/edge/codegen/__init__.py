"""Machine code for the processor of a box, written on the server and carried in a bundle.

The kernels are those that compute one image on the server, ``core.conv.codegen.one_*``.
"""
