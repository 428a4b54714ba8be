"""The engine on NVIDIA GPUs: CUDA C++ that is compiled when it is first needed.

Sources are specialised by macros, for kernel sizes among others, and compiled by NVRTC through
CuPy. Who launches them is plain Python that also runs, and is tested, without a GPU.
"""
