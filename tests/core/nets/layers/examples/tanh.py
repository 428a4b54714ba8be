"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "tanh"}, "shapes": [(3, 4)]},
]
