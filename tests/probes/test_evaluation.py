"""Closed-form values of the probes of the tested network, and what a real run logs of them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnn_anatomy.data.images import ImageSet
from cnn_anatomy.networks.cost import macs, parameter_count
from cnn_anatomy.networks.heads import GlobalAverage
from cnn_anatomy.networks.pooling import Average, Max
from cnn_anatomy.probes.activation import contrast, covered
from cnn_anatomy.probes.features import fisher, peak_in_box, peak_metrics
from cnn_anatomy.probes.filters import edge_likeness
from cnn_anatomy.probes.learning_speed import first_reached
from cnn_anatomy.probes.object_size import accuracy_metrics, silenced, size_bins
from cnn_anatomy.probes.pooling_swap import averaging
from cnn_anatomy.probes.robustness import drop, noise, zoom
from cnn_anatomy.probes.shift import shifted
from cnn_anatomy.training.build import build_classifier, build_data
from cnn_anatomy.training.fit import fit
from cnn_anatomy.training.run_spec import RunSpec

MORE_IMAGES = ["data.source.train=300", "data.source.test=300", "data.train_limit=null"]
BOX = torch.tensor([[2, 0, 6, 4]])


def test_contrast_is_one_inside_only_and_zero_everywhere():
    mask = covered(BOX, torch.Size((8, 8)))
    assert mask.sum() == 16
    assert contrast(mask[:, 0], mask).item() == pytest.approx(1)
    assert contrast(1 - mask[:, 0], mask).item() == pytest.approx(-1)
    assert contrast(torch.ones(1, 8, 8), mask).item() == pytest.approx(0, abs=1e-6)
    assert contrast(torch.ones(1, 4, 4), mask).item() == pytest.approx(0, abs=1e-6)


@given(st.floats(0.1, 10), st.integers(1, 5))
def test_fisher_is_between_over_within_and_knows_no_unit(scale, dimensions):
    vectors = torch.zeros(4, dimensions)
    vectors[:, 0] = torch.tensor([-3.0, -1.0, 1.0, 3.0]) * scale
    labels = torch.tensor([0, 0, 1, 1])
    assert fisher(vectors, labels) == pytest.approx(4 * 4 / (4 * 1), rel=1e-4)  # means ±2, ±1 in it


def test_the_peak_of_a_coarse_map_is_looked_up_in_pixels():
    maps = torch.zeros(1, 4, 4)
    maps[0, 0, 2] = 1  # centre at (x, y) = (5, 1) of 8 × 8
    assert peak_in_box(maps, BOX, (8, 8)).tolist() == [True]
    assert peak_in_box(maps.transpose(1, 2), BOX, (8, 8)).tolist() == [False]


def test_class_activations_average_to_the_logit():
    head, x = GlobalAverage(3, (5, 4), 10), torch.randn(6, 3, 5, 4)
    classes = torch.arange(6)
    logits = head(x) - head.classifier.bias
    maps = head.class_activation(x, classes)
    assert torch.allclose(maps.mean((1, 2)), logits[classes, classes], atol=1e-5)


@given(st.integers(1, 4), st.integers(0, 1000))
def test_a_shift_has_exactly_its_length(shift, seed):
    image = torch.zeros(1, 1, 11, 11)
    image[0, 0, 5, 5] = 1
    moved = shifted(image.expand(50, 1, 11, 11), shift, torch.Generator().manual_seed(seed))
    assert moved.shape == (50, 1, 11, 11)
    places = {divmod(int(m.argmax()), 11) for m in moved}
    assert {np.hypot(y - 5, x - 5) for y, x in places} == {shift}
    assert len(places) > 1  # a draw for each image


def test_a_drop_is_relative():
    assert drop(0.6, 0.8) == pytest.approx(0.25)
    assert np.isnan(drop(0.0, 0.0))


def test_a_map_is_compared_with_what_needs_no_network():
    images = torch.zeros(2, 1, 32, 32, dtype=torch.uint8)
    images[0, 0, 2:9, 2:9] = 200  # bright in its box; the other one's clutter is brighter
    images[1, 0, 20:27, 20:27] = 255
    boxes = torch.tensor([[2, 2, 9, 9], [12, 12, 20, 20]])
    maps = torch.zeros(2, 32, 32)
    maps[0, 5, 5] = maps[1, 13, 13] = 1
    found = peak_metrics(
        maps, ImageSet(images, torch.tensor([0, 1]), boxes), torch.tensor([True, True])
    )
    assert found == {
        "cam/peak_in_box": 1.0,
        "cam/centre_in_box": 0.5,
        "cam/brightest_in_box": 0.5,
        "cam/peak_excess": 0.5,
    }


def test_zoom_magnifies_about_the_centre_and_noise_has_its_deviation():
    image = torch.zeros(1, 1, 16, 16)
    image[:, :, 6:10, 6:10] = 1
    assert torch.allclose(zoom(image, 1.0), image, atol=1e-5)
    assert zoom(image, 2.0).sum().item() == pytest.approx(4 * 16, rel=0.1)
    assert zoom(image, 0.5)[:, :, 6:10, 6:10].sum().item() == pytest.approx(4, rel=0.3)
    flat = torch.zeros(8, 1, 32, 32)
    assert noise(flat, 0.5).std().item() == pytest.approx(0.5, rel=0.05)
    assert torch.equal(noise(flat, 0.5), noise(flat, 0.5))


def test_metrics_of_knockouts():
    measured = accuracy_metrics(
        {
            "none": np.array([0.9, 0.9, 0.9]),
            "branch1": np.array([0.6, 0.7, 0.8]),
            "branch5": np.array([0.8, 0.8, 0.5]),
        }
    )
    assert measured["accuracy/small"] == 0.9
    assert measured["accuracy/size_difference"] == 0.0
    assert measured["knockout/branch1"] == pytest.approx(0.2)
    assert measured["knockout/size_interaction"] == pytest.approx(0.3 - (-0.2))


@given(st.lists(st.integers(1, 40), min_size=1, max_size=200), st.integers(1, 5))
def test_bins_of_sizes_do_not_overlap(sides, bins):
    found = size_bins(np.array(sides), bins)
    assert set(found) <= set(range(bins))
    by_side = sorted(zip(sides, found, strict=True))
    assert sorted(found) == [place for _, place in by_side]
    assert len(set(by_side)) == len(set(sides))  # a side is in one bin


def test_bins_of_sizes_are_equal_where_sizes_allow():
    sides = np.repeat(np.arange(10, 19), 7)
    assert np.bincount(size_bins(sides, 3)).tolist() == [21, 21, 21]


def test_silenced_modules_give_zeros_until_left():
    layer, x = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with silenced([layer]):
        assert not layer(x).any()
    assert layer(x).any()


def test_edge_detectors_are_like_edges_and_spots_and_lines_less():
    row, step = torch.tensor([1.0, 1.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0])
    prewitt, sobel = torch.outer(row, step), torch.outer(torch.tensor([1.0, 2, 1]), step)
    early = torch.outer(row, torch.tensor([-1.0, 1.0, 1.0]))  # an edge beside the centre
    spot, line = torch.zeros(2, 3, 3)
    spot[1, 1], line[1] = 1, 1
    corner = torch.zeros(3, 3)
    corner[0, 0] = 1
    filters = [
        prewitt,
        -3 * early + 7,
        sobel,
        sobel + sobel.T,
        line,
        spot,
        corner,
        torch.ones(3, 3),
    ]
    first, second, third, diagonal, lines, spots, corners, none = edge_likeness(
        torch.stack(filters)[:, None]
    ).tolist()
    assert (first, second, none) == pytest.approx((1, 1, 0), abs=1e-9)
    assert third == pytest.approx(8 / 72**0.5)  # the cosine of Sobel's filter and Prewitt's
    assert diagonal > 0.9
    assert spots < lines < corners < 0.75


def test_random_filters_are_less_like_edges_than_edge_detectors_are():
    weight = torch.randn(2000, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    found = edge_likeness(weight)
    assert found.mean() + found.std() < 8 / 72**0.5  # of Sobel's filter


@given(st.integers(1, 3), st.integers(2, 5), st.floats(0.1, 100), st.integers(0, 1000))
def test_likeness_is_between_zero_and_one_whatever_turn_and_scale(channels, side, scale, seed):
    weight = torch.randn(4, channels, side, side, generator=torch.Generator().manual_seed(seed))
    found = edge_likeness(weight)
    for same in (weight.transpose(2, 3), weight.flip(3), weight + 1, -scale * weight):
        assert torch.allclose(found, edge_likeness(same), atol=1e-6)
    assert ((found >= 0) & (found <= 1 + 1e-9)).all()


def test_a_level_is_reached_where_the_curve_first_crosses_it():
    curve = [(10, 0.2), (20, 0.4), (30, 0.8), (40, 0.1), (50, 0.9)]
    assert first_reached(curve, 0.5) == pytest.approx(22.5)
    assert first_reached(curve, 0.4) == 20
    assert first_reached(curve, 0.1) == 10  # by the first validation
    assert first_reached(curve, 0.95) is None
    assert first_reached([], 0.5) is None


@pytest.mark.parametrize("kernel", [2, 3])
def test_averaged_max_pooling_gives_the_means_of_its_windows_until_left(kernel):
    pooling, x = Max(3, kernel), torch.rand(2, 3, 9, 9)
    before = pooling(x)
    with averaging([pooling.pool]):
        inside = pooling(x)[:, :, 1:-1, 1:-1]  # where no window holds padding
        assert torch.allclose(inside, Average(3, kernel)(x)[:, :, 1:-1, 1:-1])
    assert torch.equal(pooling(x), before)


def test_the_controls_of_the_inception_module_cost_what_it_costs(small, digits):
    def cost(*overrides):
        spec = RunSpec.of(small("model=inception", "model.width=32", *overrides))
        network = build_classifier(spec, digits)[0].network
        return parameter_count(network), macs(network, digits.load().train.images[:1].float())

    whole = cost()
    assert cost("inception.pool=none") == whole
    assert cost("inception.pool=average") == whole
    assert cost("inception.nonlinear=false") == whole
    _, matched = cost("inception.small=3", "inception.large=3", "model.width=28")
    assert matched == pytest.approx(whole[1], rel=0.05)


@pytest.mark.parametrize(
    ("probes", "words", "metrics", "files"),
    [
        (
            "invariance",
            [],
            {"activation/contrast", "activation/contrast_stage_1", "consistency/shift_1"},
            {"shift"},
        ),
        (
            "invariance",
            ["pooling=max"],
            {"averaged/accuracy_lost", "averaged/contrast_lost"},
            set(),
        ),
        (  # images are taken for frozen layers' maps, if a probe goes through the module
            "transfer",
            ["freeze=layers", "freeze.layers=5", "data.augment=null", *MORE_IMAGES],
            {"features/linear_probe", "untrained/features/linear_probe"},
            set(),
        ),
        (
            "transfer",
            MORE_IMAGES,
            {"filters/edges", "features/linear_probe", "untrained/features/linear_probe"},
            set(),
        ),
        ("robustness", [], {"accuracy/scale", "drop/noise", "drop/test"}, {"robustness"}),
        (
            "object_size",
            ["model=inception", "model.width=8"],
            {"accuracy/small", "knockout/pool", "knockout/size_interaction"},
            {"object_size"},
        ),
        (
            "features",
            [],
            {"features/fisher", "cam/peak_in_box", "cam/peak_excess", "input_sizes/accepted"},
            {"cam", "shift"},
        ),
        (
            "auxiliary",
            ["aux=heads", "probes.learning_speed.accuracy=0.01"],
            {"gradient/auxiliary_share", "accuracy/large", "steps/to_accuracy"},
            {"object_size"},
        ),
    ],
)
def test_what_a_run_logs(probes, words, metrics, files, small, uri):
    from mlflow import MlflowClient

    from cnn_anatomy.tracking.run import tracked
    from cnn_anatomy.tracking.store import prepare

    model = [] if any(w.startswith("model=") for w in words) else ["model.depth=8"]
    spec = RunSpec.of(small(f"probes={probes}", *words, *model))
    data = build_data(spec)
    classifier, _ = build_classifier(spec, data)
    experiment = prepare(uri, "s")
    with tracked(uri, experiment, name="r", tags={}, params={}) as logger:
        fit(spec, classifier, data, logger)
    client = MlflowClient(uri)
    (run,) = client.search_runs([experiment])
    assert run.data.metrics.keys() >= metrics
    kept = {f.path.partition(".")[0] for f in client.list_artifacts(run.info.run_id)}
    assert kept >= files
    if probes == "invariance" and not words:  # no max pooling
        assert "averaged/accuracy_lost" not in run.data.metrics
    if probes == "auxiliary":
        assert 0 < run.data.metrics["gradient/auxiliary_share"] < 1
    if probes == "transfer":  # frozen layers are trained no further, but the others are
        trained = run.data.metrics["features/linear_probe"]
        assert trained != run.data.metrics["untrained/features/linear_probe"]
    if probes == "features":
        assert run.data.metrics["input_sizes/accepted"] == 4
