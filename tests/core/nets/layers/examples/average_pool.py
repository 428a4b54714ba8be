"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "average_pool", "kernel": 2}, "shapes": [(2, 6, 5)]},
    {
        "spec": {"layer": "average_pool", "kernel": 3, "stride": 2, "padding": 1},
        "shapes": [(2, 6, 7)],
    },
    {
        "spec": {
            "layer": "average_pool",
            "kernel": 3,
            "stride": 2,
            "padding": 1,
            "count_include_pad": True,
        },
        "shapes": [(2, 6, 7)],
    },
    {
        "spec": {"layer": "average_pool", "kernel": [1, 2, 2], "padding": [0, 1, 0]},
        "shapes": [(1, 3, 2, 4)],
    },
]
