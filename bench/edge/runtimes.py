"""The runtimes that are compared: how each loads a file, and predicts one image on one thread.

Each function gets the folder and the name of a net and returns a call from an image
``(channels, rows, columns)`` to what the net says. It imports what it needs and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

Predict = Callable[[Any], Any]


class Runtime(NamedTuple):
    """A runtime.

    Attributes
    ----------
    load : callable
        See the module.
    packages : tuple of str
        What must be installed, beside Python; what they need is counted, too.
    """

    load: Callable[[str], Predict]
    packages: tuple[str, ...]


def convq(path: str) -> Predict:
    """Load a standalone bundle, which has the runtime in it."""
    sys.path.insert(0, path + ".pyz")
    from core.edge.runtime.model import EdgeModel

    predict: Predict = EdgeModel(path + ".pyz").predict
    return predict


def onnxruntime(path: str) -> Predict:
    """Load a file into ONNX Runtime."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(path + ".onnx", options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: session.run(None, {name: x[None]})[0][0]


def litert(path: str) -> Predict:
    """Load a file into LiteRT, with XNNPACK, as it does by itself."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path + ".tflite", num_threads=1)
    interpreter.allocate_tensors()
    put = interpreter.get_input_details()[0]["index"]
    got = interpreter.get_output_details()[0]["index"]

    def predict(x: Any) -> Any:
        interpreter.set_tensor(put, x.transpose(1, 2, 0)[None])
        interpreter.invoke()
        y = interpreter.get_tensor(got)[0]
        return y.transpose(2, 0, 1) if y.ndim == 3 else y

    return predict


def opencv(path: str) -> Predict:
    """Load a file into OpenCV's DNN module."""
    import cv2

    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromONNX(path + ".onnx")

    def predict(x: Any) -> Any:
        net.setInput(x[None])
        return net.forward()[0]

    return predict


def ncnn(path: str) -> Predict:
    """Load a file into ncnn."""
    import ncnn
    import numpy as np

    net = ncnn.Net()
    net.opt.num_threads = 1
    net.load_param(path + ".ncnn.param")
    net.load_model(path + ".ncnn.bin")

    def predict(x: Any) -> Any:
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(x))
        return np.array(extractor.extract("out0")[1])

    return predict


RUNTIMES = {
    "convq": Runtime(convq, ("numpy",)),
    "ONNX Runtime": Runtime(onnxruntime, ("onnxruntime",)),
    "LiteRT": Runtime(litert, ("ai-edge-litert",)),
    "OpenCV": Runtime(opencv, ("opencv-python-headless",)),
    "ncnn": Runtime(ncnn, ("ncnn",)),
}

# One thread for whatever else would start some.
ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ENVIRONMENT |= {"OMP_WAIT_POLICY": "passive", "PATH": os.environ.get("PATH", "")}
