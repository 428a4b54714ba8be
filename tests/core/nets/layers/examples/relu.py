"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "relu"}, "shapes": [(3, 4, 5)]},
]
