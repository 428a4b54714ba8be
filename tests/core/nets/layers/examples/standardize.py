"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "standardize", "mean": 0.5, "std": 2.0}, "shapes": [(4,)]},
    {
        "spec": {"layer": "standardize", "mean": [0.5, -1.0], "std": [2.0, 0.25]},
        "shapes": [(2, 3, 4)],
    },
]
