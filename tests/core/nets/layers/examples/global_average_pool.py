"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "global_average_pool"}, "shapes": [(3, 4, 5)]},
    {"spec": {"layer": "global_average_pool"}, "shapes": [(2, 7)]},
]
