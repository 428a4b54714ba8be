"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "reshape", "to": [3, -1]}, "shapes": [(2, 3, 4)]},
    {"spec": {"layer": "reshape", "to": [2, 3, 2]}, "shapes": [(12,)]},
]
