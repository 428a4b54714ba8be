"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "filter", "kernel": {"preset": "sobel-x"}}, "shapes": [(2, 7)]},
    {"spec": {"layer": "filter", "kernel": {"preset": "sobel-magnitude"}}, "shapes": [(2, 4, 5)]},
    {"spec": {"layer": "filter", "kernel": {"preset": "gaussian"}}, "shapes": [(1, 6, 5)]},
    {"spec": {"layer": "filter", "kernel": {"preset": "sobel-y"}}, "shapes": [(1, 3, 4, 3)]},
]
