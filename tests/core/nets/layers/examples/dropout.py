"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "dropout"}, "shapes": [(3, 4)]},
    {"spec": {"layer": "dropout", "rate": 0.2}, "shapes": [(10,)]},
    {"spec": {"layer": "dropout", "rate": 0.0}, "shapes": [(3,)]},
]
