"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "gelu"}, "shapes": [(3, 4)]},
]
