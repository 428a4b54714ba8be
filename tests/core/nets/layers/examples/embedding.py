"""Examples for test_every_layer."""

EXAMPLES = [
    {
        "spec": {"layer": "embedding", "vocabulary": 5, "features": 3},
        "shapes": [(7,)],
        "integers": 5,
    },
]
