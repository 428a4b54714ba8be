"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "sigmoid"}, "shapes": [(3, 4)]},
]
