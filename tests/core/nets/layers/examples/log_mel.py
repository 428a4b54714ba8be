"""Examples for test_every_layer."""

EXAMPLES = [
    {
        "spec": {
            "layer": "log_mel",
            "sample_rate": 8000,
            "bands": 3,
            "frame": 16,
            "hop": 8,
            "fmin": 100.0,
            "epsilon": 0.01,
        },
        "shapes": [(2, 40)],
    },
]
