"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "batch_norm"}, "shapes": [(3, 4)]},
    {"spec": {"layer": "batch_norm", "momentum": 0.5, "epsilon": 0.1}, "shapes": [(2, 3, 4)]},
]
