"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "add"}, "shapes": [(3,), (3,)]},
    {"spec": {"layer": "add"}, "shapes": [(2, 3, 4), (2, 3, 4), (2, 3, 4)]},
]
