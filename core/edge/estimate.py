"""What a model will take on a board, before anything is built."""

from __future__ import annotations

from dataclasses import dataclass

from core.edge.plan import Plan
from core.edge.profiles import Profile
from core.errors import TooLarge

# Python, NumPy and the runtime before a model is loaded: an estimate, above the 33 MB that a whole
# process with LeNet-5 had at its peak on x86. No board has been measured.
_PROCESS = 36 << 20
# What a board's system needs for itself.
_SYSTEM = 0.5
_FLOAT = 4
# The share of all multiply-adds a core could do that small layers are taken to reach on average: an
# estimate, compared with no board; and calls that begin in a step.
_EFFICIENCY = 0.4
_STEP = 2e-6
# Vectors of multiply-adds that begin per clock.
_FMA_PER_CLOCK = {"cortex-a15": 1, "cortex-a57": 1, "cortex-a78": 2}
_FMA_PER_CLOCK_X86 = 2


@dataclass(frozen=True)
class Estimate:
    """What one inference takes.

    Attributes
    ----------
    memory : int
        Bytes of the process at its peak.
    seconds : float
        One image, on one core at its full clock: a prediction from the data sheet.
    joules : float
        If the board draws what its highest power mode allows meanwhile.
    """

    memory: int
    seconds: float
    joules: float


def estimate(plan: Plan, profile: Profile) -> Estimate:
    """Return what a plan takes on a board.

    Raises
    ------
    TooLarge
        It does not fit into half of the board's memory.

    Examples
    --------
    >>> from core.edge.profiles import profile
    >>> from core.edge.plan import plan
    >>> from core.nets.model import Model
    >>> from core.nets.network import Network
    >>> from core.nets.spec import NetSpec
    >>> layers = [{"layer": "flatten"}, {"layer": "dense", "features": 3}]
    >>> spec = NetSpec.model_validate({"input": [1, 2, 2], "layers": layers})
    >>> small = plan(Model(spec, Network(spec).init(seed=0)), 4)
    >>> estimate(small, profile("jetson-tk1")).memory < 40e6
    True
    """
    weights = _FLOAT * sum(array.size for array in plan.arrays)
    scratch = max(step["scratch"] for step in plan.steps)
    # As they are read, as NumPy takes them and as machine code does.
    memory = _PROCESS + 3 * weights + _FLOAT * (plan.arena + scratch)
    room = int(profile.memory * _SYSTEM)
    if memory > room:
        raise TooLarge(
            f"the model does not fit on {profile.title}",
            field="profile",
            given=f"{memory} bytes at the peak",
            accepted=f"at most {room}, half of the board's memory",
        )
    per_clock = _FMA_PER_CLOCK.get(profile.cpu, _FMA_PER_CLOCK_X86)
    per_clock *= profile.processors[-1].target.lanes(_FLOAT)
    compute = sum(plan.multiply_adds) / (profile.clock * per_clock * _EFFICIENCY)
    # Each weight and, twice, each tensor goes through memory once.
    moved = (weights + 2 * _FLOAT * plan.arena) / profile.bandwidth
    seconds = max(compute, moved) + _STEP * len(plan.steps)
    return Estimate(memory, seconds, seconds * max(profile.power))
