"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "pad", "before": 1, "after": 2}, "shapes": [(2, 3, 4)]},
    {"spec": {"layer": "pad", "before": [0, 2], "value": 1.5}, "shapes": [(1, 3, 2)]},
]
