"""The operators of ONNX that convq carries out; a new one is a function and one line here."""

from __future__ import annotations

from core.nets.onnx.operator import Operator
from core.nets.onnx.operators.activations import (
    ELU,
    GELU,
    LEAKY_RELU,
    RELU,
    SIGMOID,
    SOFTMAX,
    TANH,
)
from core.nets.onnx.operators.basic import ADD, CONSTANT, DIV, DROPOUT, IDENTITY, SUB
from core.nets.onnx.operators.batch_normalization import BATCH_NORMALIZATION
from core.nets.onnx.operators.conv import CONV, CONV_TRANSPOSE
from core.nets.onnx.operators.pad import PAD
from core.nets.onnx.operators.pooling import AVERAGE_POOL, GLOBAL_AVERAGE_POOL, MAX_POOL
from core.nets.onnx.operators.products import GEMM, MATMUL
from core.nets.onnx.operators.shapes import CONCAT, FLATTEN, RESHAPE

OPERATORS: dict[str, Operator] = {
    operator.name: operator
    for operator in (
        ADD,
        AVERAGE_POOL,
        BATCH_NORMALIZATION,
        CONCAT,
        CONSTANT,
        CONV,
        CONV_TRANSPOSE,
        DIV,
        DROPOUT,
        ELU,
        FLATTEN,
        GELU,
        GEMM,
        GLOBAL_AVERAGE_POOL,
        IDENTITY,
        LEAKY_RELU,
        MATMUL,
        MAX_POOL,
        PAD,
        RELU,
        RESHAPE,
        SIGMOID,
        SOFTMAX,
        SUB,
        TANH,
    )
}
