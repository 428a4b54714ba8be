"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "softmax"}, "shapes": [(4,)]},
    {"spec": {"layer": "softmax"}, "shapes": [(3, 2, 2)]},
]
