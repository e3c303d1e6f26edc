"""The site of the committed results, as `make report` writes it."""

import re
import subprocess

import pytest
from helpers import REPOSITORY, environment

MOST_BYTES = 550_000  # of a page, all that a browser loads to show it


@pytest.mark.slow
@pytest.mark.every_part
def test_the_site_of_all_committed_results_is_small(tmp_path):
    outputs = tmp_path / "outputs"
    own = environment(tmp_path, CNN_ANATOMY_OUTPUTS=str(outputs))
    done = subprocess.run(
        ["make", "report"], cwd=REPOSITORY, env=own, capture_output=True, text=True, check=True
    )
    assert "the committed results, as the store has no sweep" in done.stdout
    committed = (REPOSITORY / "experiments" / "results").rglob("figures.json")
    places = [p.parent.relative_to(REPOSITORY / "experiments" / "results") for p in committed]
    studies = {"-".join(place.parts) for place in places if place.parts[0] != "papers"}
    pages = {page.stem: page for page in (outputs / "report").glob("*.html")}
    assert set(pages) == {"index", "explorer", "sentences", *studies}
    for page in pages.values():  # each is complete in itself
        loaded = re.findall(
            r'<(?:script|img|link|iframe)[^>]*?(?:src|href)="([^"]*)"', page.read_text()
        )
        assert [address for address in loaded if not address.startswith("data:")] == []
    sizes = {name: page.stat().st_size for name, page in pages.items()}
    assert {name: size for name, size in sizes.items() if size > MOST_BYTES} == {}
