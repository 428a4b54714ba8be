"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "flatten"}, "shapes": [(2, 3, 4)]},
    {"spec": {"layer": "flatten"}, "shapes": [(5,)]},
]
