"""What is found in folders, and what is said to be left out."""

from collections import Counter
from pathlib import Path

from PIL import Image

from edge import frames
from edge.reading import drawn
from edge.reading.finding import Listing, find


def names(listing: Listing) -> list[str]:
    return [Path(path).name for path in listing.files]


def touch(folder: Path, *files: str) -> None:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_of_other_kinds_are_counted_by_ending(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.HEIC", "x.nd2", "deep/y.nd2", "z.txt", "README", ".hidden", "v.mp4")
    listing = find([str(tmp_path)])
    assert names(listing) == ["a.png", "b.HEIC"]
    assert listing.others == {".nd2": 2, ".txt": 1, "without ending": 1, ".mp4": 1}
    assert (
        listing.left_out().startswith("Left out: files of other kinds (2 .nd2, ") and "--camera" in listing.left_out()
    )
    assert find([str(tmp_path / "a.png")]).left_out() == ""
    many = Listing(others=Counter({f".{i}": 10 - i for i in range(8)}))
    assert many.left_out().endswith("5 .5, 7 more).")


def test_a_pattern_without_a_match_and_a_missing_file_stay(tmp_path: Path) -> None:
    touch(tmp_path, "gone1.png")
    missing = [f"{tmp_path}/gone[1]x.png", f"{tmp_path}/none*", f"{tmp_path}/missing.png"]
    assert find(missing).files == missing
    for path in missing:
        result = frames.read(path)
        assert isinstance(result, frames.Unreadable) and result.error.startswith("does not exist")


def test_brackets_around_one_character_are_a_part_of_the_name(tmp_path: Path) -> None:
    touch(tmp_path, "gone1.png", "gone2.png", "there[1]b.png")
    assert names(find([f"{tmp_path}/gone[1].png"])) == ["gone[1].png"]
    assert names(find([f"{tmp_path}/there[1]*.png"])) == ["there[1]b.png"]
    assert names(find([f"{tmp_path}/gone[12].png"])) == ["gone1.png", "gone2.png"]


def test_a_pattern_may_match_folders(tmp_path: Path) -> None:
    touch(tmp_path, "one/a.png", "two/b.png", "c.png")
    assert names(find([f"{tmp_path}/*"])) == ["c.png", "a.png", "b.png"]


def test_a_link_to_a_folder_outside_is_said(tmp_path: Path) -> None:
    touch(tmp_path, "here/a.png", "there/b.png")
    (tmp_path / "here" / "out").symlink_to(tmp_path / "there")
    (tmp_path / "here" / "round").symlink_to(tmp_path / "here")  # shows nothing new
    listing = find([str(tmp_path / "here")])
    assert names(listing) == ["out", "a.png"]
    result = frames.read(listing.files[0])
    assert isinstance(result, frames.Unreadable) and "a link to a directory" in result.error
    assert names(find([str(tmp_path / "here" / "out")])) == ["b.png"]


def test_pictures_with_drawn_answers_are_left_out_of_folders(tmp_path: Path) -> None:
    picture = Image.new("RGB", (9, 9))
    picture.save(tmp_path / "a.annotated.jpg", comment=drawn.COMMENT)
    picture.save(tmp_path / "b.annotated.jpg")  # a user's own
    touch(tmp_path, "c.explained.jpg")
    listing = find([str(tmp_path)])
    assert names(listing) == ["b.annotated.jpg", "c.explained.jpg"] and listing.drawn == 1
    assert "with answers drawn on them (1)" in listing.left_out()
    assert names(find([f"{tmp_path}/a.*"])) == ["a.annotated.jpg"]


def test_a_folder_that_save_wrote_is_read_only_if_it_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", f"saved/{drawn.SAVED}", "saved/cell-000000.crop.png", "saved/monocyte/b.png")
    listing = find([str(tmp_path)])
    assert names(listing) == ["a.png", "b.png"] and listing.saved == 1
    assert names(find([str(tmp_path / "saved")])) == ["cell-000000.crop.png", "b.png"]
