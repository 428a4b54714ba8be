"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "identity"}, "shapes": [(2, 3)]},
]
