"""A step of training as tables of calls of kernels, without Python between layers.

Between two layers Python takes longer than a layer of a small net, and threads that run Python wait
for each other: of a step of LeNet-5 on 32 images two thirds were such waiting. So those layers for
which there are kernels are planned in advance: where each array lies, which kernels are called with
which addresses, what may happen at the same time. A step then runs the tables.

Layers next to each other may share a kernel, such as a convolution and its rectifier: a `Unit`.
Which ones is found from the graph (`core.nets.program.units`). What is not finite is the layers'
affair: where a kernel could not say what becomes of it, the step is taken again without programs.
"""
