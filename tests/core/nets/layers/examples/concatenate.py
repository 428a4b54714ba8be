"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "concatenate"}, "shapes": [(3,), (1,)]},
    {"spec": {"layer": "concatenate"}, "shapes": [(2, 3, 4), (1, 3, 4), (3, 3, 4)]},
]
