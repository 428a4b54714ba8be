"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "conv", "filters": 3, "kernel": 3}, "shapes": [(2, 6, 5)]},
    {
        "spec": {
            "layer": "conv",
            "filters": 4,
            "kernel": [3, 2],
            "stride": [2, 1],
            "padding": [1, 0],
            "dilation": [1, 2],
            "groups": 2,
        },
        "shapes": [(2, 7, 6)],
    },
    {
        "spec": {"layer": "conv", "filters": 2, "kernel": 5, "padding": "same", "bias": False},
        "shapes": [(3, 9)],
    },
    {
        "spec": {"layer": "conv", "filters": 2, "kernel": 3, "padding": "same", "stride": 2},
        "shapes": [(1, 4, 3, 5)],
    },
    {
        "spec": {
            "layer": "conv",
            "filters": 3,
            "kernel": 3,
            "padding": 1,
            "groups": 3,
            "method": "fft-tiled",
        },
        "shapes": [(3, 5, 6)],
    },
]
