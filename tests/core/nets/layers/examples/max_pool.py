"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "max_pool", "kernel": 2}, "shapes": [(2, 6, 5)]},
    {"spec": {"layer": "max_pool", "kernel": 3, "stride": 2, "padding": 1}, "shapes": [(2, 6, 7)]},
    {"spec": {"layer": "max_pool", "kernel": [3], "stride": 1}, "shapes": [(2, 6)]},
    {
        "spec": {"layer": "max_pool", "kernel": [2, 1, 2], "padding": [1, 0, 0]},
        "shapes": [(1, 3, 2, 4)],
    },
]
