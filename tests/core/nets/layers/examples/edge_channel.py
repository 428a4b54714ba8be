"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "edge_channel"}, "shapes": [(2, 5)]},
    {"spec": {"layer": "edge_channel"}, "shapes": [(1, 3, 4)]},
]
