"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "layer_norm"}, "shapes": [(6,)]},
    {"spec": {"layer": "layer_norm", "epsilon": 0.1}, "shapes": [(2, 3, 4)]},
]
