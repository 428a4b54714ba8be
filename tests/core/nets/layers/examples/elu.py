"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "elu"}, "shapes": [(3, 4)]},
    {"spec": {"layer": "elu", "alpha": 0.5}, "shapes": [(5,)]},
]
