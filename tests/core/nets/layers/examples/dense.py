"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "dense", "features": 3}, "shapes": [(5,)]},
    {"spec": {"layer": "dense", "features": 1, "bias": False}, "shapes": [(4,)]},
]
