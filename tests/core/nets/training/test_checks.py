from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from core.errors import InvalidInput
from core.nets.data.dataset import Dataset
from core.nets.losses.bce import BceSpec
from core.nets.losses.cross_entropy import CrossEntropySpec
from core.nets.network import Network
from core.nets.training.checks import check_finite, check_fit, check_validation, loss_for

MakeData = Callable[..., Dataset]
MakeNet = Callable[[int], Network]


def test_the_loss_goes_with_the_data(clouds: MakeData, sums: MakeData) -> None:
    assert loss_for(clouds(), None).loss == "cross_entropy"
    assert loss_for(sums(), None).loss == "mse"
    smooth = CrossEntropySpec(loss="cross_entropy", label_smoothing=0.1)
    assert loss_for(clouds(), smooth) is smooth


def test_a_loss_of_another_kind_of_data_is_refused(clouds: MakeData, sums: MakeData) -> None:
    with pytest.raises(InvalidInput, match="has no classes"):
        loss_for(sums(), CrossEntropySpec(loss="cross_entropy"))
    with pytest.raises(InvalidInput, match="has classes"):
        loss_for(clouds(), BceSpec(loss="bce"))


def test_what_fits_passes(clouds: MakeData, sums: MakeData, dense: MakeNet) -> None:
    check_fit(dense(3), clouds())
    check_fit(dense(1), sums())


def test_images_are_their_own_targets(data_set: MakeData, dense: MakeNet) -> None:
    check_fit(dense(4), data_set(np.zeros((5, 4), np.float32)))
    with pytest.raises(InvalidInput, match="targets do not have the shape"):
        check_fit(dense(3), data_set(np.zeros((5, 4), np.float32)))


def test_images_of_another_shape_are_refused(data_set: MakeData, dense: MakeNet) -> None:
    with pytest.raises(InvalidInput, match=r"given: \(5,\); accepted: \(4,\)"):
        check_fit(dense(3), data_set(np.zeros((5, 5)), np.zeros(5, int), 3))


def test_another_number_of_outputs_than_classes_is_refused(
    clouds: MakeData, dense: MakeNet
) -> None:
    with pytest.raises(InvalidInput, match="the data set has 3 classes") as caught:
        check_fit(dense(4), clouds())
    assert caught.value.field == "model"


def test_missing_labels_are_refused(data_set: MakeData, dense: MakeNet) -> None:
    with pytest.raises(InvalidInput, match="4 for 5 images"):
        check_fit(dense(3), data_set(np.zeros((5, 4)), np.zeros(4, int), 3))


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_outside_the_classes_is_refused(
    label: int, data_set: MakeData, dense: MakeNet
) -> None:
    labels = np.array([0, 1, 2, label, 0])
    with pytest.raises(InvalidInput, match="the label of image 3 is none of the 3 classes"):
        check_fit(dense(3), data_set(np.zeros((5, 4)), labels, 3))


def test_targets_of_another_shape_are_refused(sums: MakeData, dense: MakeNet) -> None:
    with pytest.raises(InvalidInput, match=r"given: \(1,\); accepted: \(2,\)"):
        check_fit(dense(2), sums())


def test_other_classes_are_not_validated_with(clouds: MakeData) -> None:
    check_validation(clouds(), clouds(seed=1))
    with pytest.raises(InvalidInput, match="different classes"):
        check_validation(clouds(), clouds(classes=2))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_named_with_its_image(value: float) -> None:
    values = np.zeros((3, 2, 2), np.float32)
    values[1, 0, 1] = value
    with pytest.raises(InvalidInput, match=r"^x: image 8 has") as caught:
        check_finite(values, np.array([5, 8, 2]), "x")
    np.testing.assert_equal(caught.value.given, value)
    check_finite(values[[0, 2]], np.array([5, 2]), "x")
