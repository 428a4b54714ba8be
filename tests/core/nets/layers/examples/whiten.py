"""Examples for test_every_layer."""

EXAMPLES = [
    {"spec": {"layer": "whiten"}, "shapes": [(6,)]},
    {"spec": {"layer": "whiten", "cut_off": 0.4, "epsilon": 0.1}, "shapes": [(2, 5, 4)]},
    {"spec": {"layer": "whiten", "cut_off": 0.25}, "shapes": [(1, 9)]},
]
