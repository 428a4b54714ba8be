"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "conv_transpose", "filters": 3, "kernel": 3}, "shapes": [(2, 4, 3)]},
    {
        "spec": {
            "layer": "conv_transpose",
            "filters": 4,
            "kernel": [3, 2],
            "stride": [2, 3],
            "padding": [1, 0],
            "output_padding": [1, 2],
            "dilation": [2, 1],
            "groups": 2,
        },
        "shapes": [(2, 3, 4)],
    },
    {
        "spec": {
            "layer": "conv_transpose",
            "filters": 1,
            "kernel": 4,
            "stride": 2,
            "padding": 1,
            "bias": False,
        },
        "shapes": [(3, 5)],
    },
    {
        "spec": {"layer": "conv_transpose", "filters": 2, "kernel": 2, "stride": 2},
        "shapes": [(2, 2, 1, 3)],
    },
]
