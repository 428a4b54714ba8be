"""The engine: a problem, its candidates, a plan, a result."""

from core.conv.algorithm import Algorithm, Cost
from core.conv.algorithms import ALGORITHMS, by_name
from core.conv.calibrate import Calibration, calibrate
from core.conv.device import Device
from core.conv.fixed import FixedKernel
from core.conv.functions import conv, convolve, convolve_bank, correlate, plan
from core.conv.gradients import conv_input_gradient, conv_weight_gradient
from core.conv.plan import Candidate, Plan, make_plan
from core.conv.problem import ConvProblem

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Calibration",
    "Candidate",
    "ConvProblem",
    "Cost",
    "Device",
    "FixedKernel",
    "Plan",
    "by_name",
    "calibrate",
    "conv",
    "conv_input_gradient",
    "conv_weight_gradient",
    "convolve",
    "convolve_bank",
    "correlate",
    "make_plan",
    "plan",
]
