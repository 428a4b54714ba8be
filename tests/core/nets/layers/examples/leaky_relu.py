"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "leaky_relu"}, "shapes": [(3, 4)]},
    {"spec": {"layer": "leaky_relu", "slope": 0.3}, "shapes": [(5,)]},
]
