"""Which images a list shows, and how."""

import pytest

from controller.api.v1 import image_pb2
from controller.cli.client import Failure
from controller.cli.history import has_kind
from controller.cli.image_filters import choose_images, is_match, split_name
from controller.cli.image_history import describe_steps
from controller.cli.image_inspect import make_document
from controller.cli.images import describe_image
from controller.cli.listing import Listing
from controller.cli.tables import parse_time

NOW = parse_time("2026-01-10T00:00:00Z")


def _image(digit: str, day: int, *names: str, **labels: str) -> image_pb2.ImageSummary:
    image = image_pb2.ImageSummary(
        id=f"sha256:{digit * 64}", names=names, labels=labels, size_bytes=1_500_000
    )
    image.created_at.FromJsonString(f"2026-01-0{day}T00:00:00Z")
    return image


IMAGES = [
    _image("a", 1, "shop:1", "reg.example:5000/team/shop:1", stage="live"),
    _image("b", 2, "alpine:3.20", stage="test"),
    _image("c", 3, "org/tool:latest"),
    _image("d", 4),
]


def _find(word: str) -> image_pb2.ImageSummary:
    return next(image for image in IMAGES if word in image.names)


@pytest.mark.parametrize(
    ("filters", "pattern", "found"),
    [
        ([], "", "dcba"),
        (["dangling=true"], "", "d"),
        (["dangling=false"], "", "cba"),
        (["label=stage"], "", "ba"),
        (["label=stage=live"], "", "a"),
        (["label=stage", "label=stage=test"], "", "b"),
        (["before=alpine:3.20"], "", "a"),
        (["since=alpine:3.20"], "", "dc"),
        (["until=2026-01-02T12:00:00Z"], "", "ba"),
        (["until=1767355200"], "", "ba"),
        (["reference=*:3*"], "", "b"),
        (["reference=shop", "reference=alpine"], "", "ba"),
        (["reference=*/*"], "", "c"),
        (["reference=*/*/*"], "", "a"),
        ([], "shop", "a"),
        ([], "shop:2", ""),
        ([], "docker.io/library/alpine", "b"),
        (["label=stage=live"], "alpine", ""),
    ],
)
def test_filters(filters: list[str], pattern: str, found: str) -> None:
    chosen = choose_images(IMAGES, filters, _find, pattern=pattern)
    assert "".join(image.id[7] for image in chosen) == found


def test_a_pattern_chooses_names_not_only_images() -> None:
    (image,) = choose_images(IMAGES, ["reference=reg.example:5000/team/*"], _find)
    assert list(image.names) == ["reg.example:5000/team/shop:1"]
    assert len(IMAGES[0].names) == 2


@pytest.mark.parametrize("text", ["dangling", "dangling=perhaps", "color=red", "label=", "until=yesterday"])
def test_a_filter_that_is_not_known_is_told(text: str) -> None:
    with pytest.raises(Failure):
        choose_images(IMAGES, [text], _find)


@pytest.mark.parametrize(
    ("name", "pattern", "matches"),
    [
        ("alpine:3.20", "alp*", True),
        ("alpine:3.20", "alpine:3.2?", True),
        ("alpine:3.20", "alpine:3.[12]*", True),
        ("alpine:3.20", "a+", False),
        ("org/tool:1", "*", False),
        ("org/tool:1", "org/*", True),
        ("org/tool:1", "docker.io/org/tool:1", True),
    ],
)
def test_patterns(name: str, pattern: str, matches: bool) -> None:
    assert is_match(name, pattern) is matches


def test_names_are_split_as_docker_splits_them() -> None:
    assert split_name("reg.example:5000/a/b:1") == ("reg.example:5000/a/b", "1")
    assert split_name("a@sha256:12") == ("a", "sha256:12")


def test_a_row_for_each_name() -> None:
    image = _image("a", 1, "shop:1", "reg.example/shop@sha256:ff")
    image.repository_digests.append("reg.example/shop@sha256:ff")
    rows = list(describe_image(image, NOW, whole=False))
    assert [(row["Repository"], row["Tag"], row["Digest"]) for row in rows] == [
        ("shop", "1", "<none>"),
        ("reg.example/shop", "<none>", "sha256:ff"),
    ]
    assert (rows[0]["ID"], rows[0]["CreatedSince"], rows[0]["Size"]) == ("a" * 12, "9 days ago", "1.5MB")
    assert rows[0]["CreatedAt"] == "2026-01-01 00:00:00 +0000 UTC"
    (dangling,) = describe_image(_image("d", 4), NOW, whole=True)
    assert (dangling["Repository"], dangling["Tag"], len(dangling["ID"])) == ("<none>", "<none>", 71)


LISTING = Listing(titles={"ID": "IMAGE ID", "Size": "SIZE"}, shown=("ID", "Size"))
ROWS = [{"ID": "a", "Size": "1MB"}, {"ID": "bb", "Size": "2kB"}]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("", "IMAGE ID   SIZE\na          1MB\nbb         2kB"),
        ("table", "IMAGE ID   SIZE\na          1MB\nbb         2kB"),
        ("table {{.Size}}\\t{{ .ID }}", "SIZE   IMAGE ID\n1MB    a\n2kB    bb"),
        ("json", '{"ID":"a","Size":"1MB"}\n{"ID":"bb","Size":"2kB"}'),
        ("{{.ID}}={{upper .Size}}", "a=1MB\nbb=2KB"),
        ("{{json .}}", '{"ID":"a","Size":"1MB"}\n{"ID":"bb","Size":"2kB"}'),
        ('{{json .ID}}{{"\\t"}}', '"a"\t\n"bb"\t'),
    ],
)
def test_forms_of_lists(form: str, text: str) -> None:
    assert LISTING.render(ROWS, form) == text


@pytest.mark.parametrize("form", ["{{.Nope}}", "{{shout .ID}}"])
def test_a_template_with_mistakes_is_told(form: str) -> None:
    with pytest.raises(Failure, match="known are"):
        LISTING.render(ROWS, form)


def _make_answer() -> image_pb2.InspectImageResponse:
    answer = image_pb2.InspectImageResponse(
        image=_image("a", 1, "shop:1"),
        document='{"config": {"Cmd": ["sh"], "Other": 1}, "author": "ann", "variant": "v8"}',
        layers=[image_pb2.ImageLayer(chain_id="c", diff_id="d", size_bytes=5)],
    )
    step = answer.history.add(created_by="RUN  \tmake " + "x" * 60, size_bytes=2048, comment="note")
    step.created_at.FromJsonString("2026-01-01T00:00:00Z")
    answer.history.add(created_by="COPY / /")
    return answer


def test_steps_of_a_build() -> None:
    latest, first = describe_steps(_make_answer(), NOW, whole=False, human=True)
    assert (latest["ID"], first["ID"]) == ("a" * 12, "<missing>")
    assert (len(latest["CreatedBy"]), latest["CreatedBy"][-1]) == (45, "…")
    assert (latest["Size"], latest["CreatedSince"], first["CreatedSince"]) == ("2.05kB", "9 days ago", "N/A")
    latest, _ = describe_steps(_make_answer(), NOW, whole=True, human=False)
    assert (latest["Size"], latest["CreatedAt"]) == ("2048", "2026-01-01T00:00:00Z")
    assert latest["CreatedBy"].startswith("RUN   make xxx")


def test_an_image_by_dockers_names() -> None:
    document = make_document(_make_answer())
    assert document["Id"] == "sha256:" + "a" * 64
    assert document["RepoTags"] == ["shop:1"]
    assert document["Config"] == {"Cmd": ["sh"], "Other": 1}
    assert document["RootFS"] == {"Type": "layers", "Layers": ["d"]}
    assert (document["Author"], document["Variant"], document["Comment"]) == ("ann", "v8", "note")


def test_a_word_with_a_kind_is_an_object() -> None:
    assert [has_kind(word) for word in ("container/web", "img/a", "shop:1", "org/tool")] == [
        True,
        True,
        False,
        False,
    ]
