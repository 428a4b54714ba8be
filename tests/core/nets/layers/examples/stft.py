"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "stft", "frame": 8, "hop": 4}, "shapes": [(2, 21)]},
    {
        "spec": {"layer": "stft", "frame": 5, "hop": 3, "output": "magnitude", "window": "hamming"},
        "shapes": [(1, 14)],
    },
    {"spec": {"layer": "stft", "frame": 4, "hop": 6, "window": "rectangular"}, "shapes": [(1, 16)]},
]
