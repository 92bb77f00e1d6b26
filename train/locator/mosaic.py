"""Composes fields for the locator to learn from: pictures of single cells, as simulated microscopes would show them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from edge.locate import FILL
from edge.simulator import drawing
from train.locator import nuclei
from train.locator.field_lessons import MarkedField
from train.locator.nuclei import CORE, SIZE

FIELD = 320  # pixels, the locator's input
GAP = 3  # marks pixels between two nuclei that nearly touch
# How many times as much red light red cells may absorb, usually and with hard lessons: in a yellow or blue light they
# look grey or blue, as nuclei do.
_RED, _REDDER = 1.2, 4.0
_STRIP = 30  # pixel rows at the edge of a picture that its white cell doesn't reach
_LEVELS: np.ndarray = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)  # optical density of each level


@dataclass(frozen=True)
class Lesson:
    """A field and what the locator should answer for it.

    Attributes:
        image: RGB uint8 [320, 320, 3].
        outline: uint8 [160, 160]: 1 the core of a nucleus, 2 unknown, 3 the gap between two nuclei, 0 none of these.
        red_cell: diameter of the red cells in pixels; 0 if there are none or if it isn't known.
        shape: (height, width) of the field in pixels, even numbers; what lies beyond is padding.
        taught: a teacher's marks for it, uint8 [160, 160]; None without a teacher.
        taught_red_cell: the teacher's estimate of the diameter of the red cells in pixels; 0 without a teacher.
    """

    image: np.ndarray
    outline: np.ndarray
    red_cell: float
    shape: tuple[int, int]
    taught: np.ndarray | None = None
    taught_red_cell: float = 0.0

    def turned(self, quarters: int, mirrored: bool) -> "Lesson":
        """The same lesson, turned by quarters of a turn, then perhaps mirrored; the padding stays below and right."""
        height, width = self.shape

        def turn(picture: np.ndarray, step: int, fill: int) -> np.ndarray:
            part = np.rot90(picture[: height // step, : width // step], quarters)
            part = part[::-1] if mirrored else part
            whole = np.full_like(picture, fill)
            whole[: part.shape[0], : part.shape[1]] = part
            return whole

        return replace(
            self,
            image=turn(self.image, 1, FILL),
            outline=turn(self.outline, 2, 0),
            shape=(width, height) if quarters % 2 else (height, width),
            taught=None if self.taught is None else turn(self.taught, 2, 0),
        )


@dataclass(frozen=True)
class Group:
    """The pictures of one source.

    Attributes:
        kinds: for each kind of cell, the indices of its pictures, int64 [n].
        red_cell: diameter of the red cells in shares of a picture's width.
    """

    kinds: list[np.ndarray]
    red_cell: float

    def pick(self, rng: np.random.Generator) -> int:
        """The index of a random picture. All kinds of cell are equally likely, however rare they are."""
        kind = self.kinds[rng.integers(len(self.kinds))]
        return int(kind[rng.integers(len(kind))])


class Mosaic:
    """Composes fields from clean pictures (train.locator.nuclei.white) and the outlines of their nuclei."""

    def __init__(
        self,
        pictures: np.ndarray,
        outlines: np.ndarray,
        sources: np.ndarray,
        labels: np.ndarray,
        red_cells: dict[str, float],
        marked: Sequence[MarkedField] = (),
        drawn: float = 0.2,
        hard: float = 0.0,
    ) -> None:
        """Takes the pictures that fields are made of.

        Args:
            pictures: uint8 [n, 128, 128, 3].
            outlines: of their nuclei, uint8 [n, 128, 128]; see nuclei.outline.
            sources: of the pictures, str [n].
            labels: of the pictures, str [n].
            red_cells: by source, diameter of the red cells in shares of a picture's width.
            marked: real fields; if there are any, they give about a third of all lessons.
            drawn: share of the other lessons that the simulated microscope draws, 0 to 1.
            hard: share of lessons with dark red cells, half of it with strong casts and blur, 0 to 1.
        """
        self.marked = [[m for m in marked if m.source == name] for name in sorted({m.source for m in marked})]
        self.pictures, self.outlines, self.drawn, self.hard = pictures, outlines, drawn, hard
        self.groups = [
            Group(
                [
                    np.flatnonzero((sources == name) & (labels == label))
                    for label in sorted(set(labels[sources == name]))
                ],
                red_cells[name],
            )
            for name in sorted(set(sources))
        ]

    def field(self, rng: np.random.Generator) -> Lesson:
        """One random lesson."""
        if rng.random() < 0.03:
            flat = np.full((FIELD, FIELD, 3), rng.integers(0, 256, 3), np.uint8)
            return Lesson(
                _camera(flat, rng, self.hard), np.zeros((FIELD // 2, FIELD // 2), np.uint8), 0.0, (FIELD, FIELD)
            )
        if self.marked and rng.random() < 0.35:
            return self._real(rng)
        if rng.random() < self.drawn:
            image, small, red_cell = _drawn(rng)
            return Lesson(_camera(image, rng, self.hard), _gaps(small), red_cell, (FIELD, FIELD))
        group = self.groups[rng.integers(len(self.groups))]
        tile = int(np.exp(rng.uniform(np.log(56), np.log(700))))
        image, outline = self._tiles(group, tile, rng)
        red_cell = group.red_cell * tile
        if rng.random() < 0.3:
            _solid(image, outline, red_cell, rng, _REDDER if self.hard else _RED)
        for _ in range(rng.poisson(0.2 * (FIELD / tile) ** 2)):
            self._paste(image, outline, group, tile, rng)
        _specks(image, outline, tile, rng)
        if self.hard and rng.random() < self.hard:
            _dark_red_cells(image, outline, red_cell, rng)
        small = _gaps(cv2.resize(outline, (FIELD // 2, FIELD // 2), interpolation=cv2.INTER_NEAREST))
        height = width = FIELD
        if rng.random() < 0.3:  # padded to a square, as the runner (edge) does
            side = int(rng.integers(FIELD // 2, FIELD - 8)) // 2 * 2
            height, width = (side, FIELD) if rng.random() < 0.8 else (FIELD, side)
            small[height // 2 :], small[:, width // 2 :] = 0, 0
        image = _camera(image, rng, self.hard)
        image[height:], image[:, width:] = FILL, FILL
        return Lesson(image, small, red_cell, (height, width))

    def _real(self, rng: np.random.Generator) -> Lesson:
        """A window of a real field, turned and mirrored at random."""
        source = self.marked[rng.integers(len(self.marked))]
        marked = source[rng.integers(len(source))]
        turn, mirrored = int(rng.integers(4)), rng.random() < 0.5
        image, outline = np.rot90(marked.image, turn), np.rot90(marked.outline, turn)
        if mirrored:
            image, outline = image[::-1], outline[::-1]
        share = 1.0 if rng.random() < 0.3 else rng.uniform(0.3, 1.0)
        height, width = (max(32, int(share * side)) for side in image.shape[:2])
        y, x = int(rng.integers(image.shape[0] - height + 1)), int(rng.integers(image.shape[1] - width + 1))
        scale = min(FIELD / max(height, width), rng.uniform(1, 2))  # not always as large as possible
        size = max(2, int(width * scale) // 2 * 2), max(2, int(height * scale) // 2 * 2)
        window = np.ascontiguousarray(image[y : y + height, x : x + width])
        marks = np.ascontiguousarray(outline[y : y + height, x : x + width])
        seen = np.full((FIELD, FIELD, 3), FILL, np.uint8)
        seen[: size[1], : size[0]] = cv2.resize(window, size, interpolation=cv2.INTER_AREA)
        small = np.zeros((FIELD // 2, FIELD // 2), np.uint8)
        half = size[0] // 2, size[1] // 2
        small[: half[1], : half[0]] = cv2.resize(marks, half, interpolation=cv2.INTER_NEAREST)
        if self.hard and marked.red_cell and rng.random() < self.hard / 2:
            known = cv2.resize(small, (FIELD, FIELD), interpolation=cv2.INTER_NEAREST)
            known[size[1] :], known[:, size[0] :] = nuclei.IGNORE, nuclei.IGNORE
            _dark_red_cells(seen, known, marked.red_cell * scale, rng)
        if rng.random() < 0.7:
            seen = _camera(seen, rng, self.hard)
            seen[size[1] :], seen[:, size[0] :] = FILL, FILL
        return Lesson(seen, _gaps(small), marked.red_cell * scale, (size[1], size[0]))

    def _tiles(self, group: Group, tile: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A field of pictures `tile` pixels wide, RGB uint8 [320, 320, 3], and its outlines, uint8 [320, 320]."""
        count = -(-FIELD // tile) + 1
        empty = rng.uniform(0, 0.95) if tile < FIELD else 0.4
        rows = [[self._tile(group, rng, rng.random() < empty) for _ in range(count)] for _ in range(count)]
        image = np.concatenate([np.concatenate([cell[0] for cell in row], axis=1) for row in rows])
        outline = np.concatenate([np.concatenate([cell[1] for cell in row], axis=1) for row in rows])
        side = count * tile
        x, y = rng.integers(0, side - FIELD + 1, 2)
        scale = tile / SIZE
        warp = np.array([[scale, 0, -x], [0, scale, -y]], np.float32)
        if scale < 1:  # a warp would skip pixels
            image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)[y : y + FIELD, x : x + FIELD]
        else:
            image = cv2.warpAffine(image, warp, (FIELD, FIELD), flags=cv2.INTER_LINEAR)
        return image.copy(), cv2.warpAffine(outline, warp, (FIELD, FIELD), flags=cv2.INTER_NEAREST)

    def _tile(self, group: Group, rng: np.random.Generator, empty: bool) -> tuple[np.ndarray, np.ndarray]:
        """A picture and its outline, turned and mirrored at random. empty: without its white cell."""
        i, j = group.pick(rng), group.pick(rng)
        picture, outline = self.pictures[i], self.outlines[i]
        if empty:  # made from the edges of two pictures, where there are only red cells and platelets
            strips = [(a[:_STRIP], a[-_STRIP:]) for a in (picture, self.pictures[j])]
            marks = [(a[:_STRIP], a[-_STRIP:]) for a in (outline, self.outlines[j])]
            picture = np.concatenate([*strips[0], *strips[1], picture[: SIZE - 4 * _STRIP]])
            outline = np.concatenate([*marks[0], *marks[1], outline[: SIZE - 4 * _STRIP]])
        turn = int(rng.integers(4))
        picture, outline = np.rot90(picture, turn), np.rot90(outline, turn)
        return (picture[::-1], outline[::-1]) if rng.random() < 0.5 else (picture, outline)

    def _paste(self, image: np.ndarray, outline: np.ndarray, group: Group, tile: int, rng: np.random.Generator) -> None:
        """Pastes a cell into `image` as a disc: on red cells, touching another white cell, or over the border."""
        picture, marks = self._tile(group, rng, empty=False)
        radius = 1.9 * np.sqrt((marks == 1).sum() / np.pi) / SIZE * tile
        nuclei = np.argwhere(outline == 1)
        if len(nuclei) and rng.random() < 0.5:  # beside another nucleus
            y, x = nuclei[rng.integers(len(nuclei))] + rng.normal(0, 1, 2) * radius * 1.5
        else:
            x, y = rng.uniform(0, FIELD, 2)
        scale = tile / SIZE
        warp = np.array([[scale, 0, x - tile / 2], [0, scale, y - tile / 2]], np.float32)
        new = cv2.warpAffine(picture, warp, (FIELD, FIELD), flags=cv2.INTER_LINEAR)
        mark = cv2.warpAffine(marks, warp, (FIELD, FIELD), flags=cv2.INTER_NEAREST)
        disc: np.ndarray = np.zeros((FIELD, FIELD), np.float32)
        cv2.circle(disc, (round(x), round(y)), max(2, round(radius)), 1.0, -1)
        disc = cv2.GaussianBlur(disc, (0, 0), max(1.0, radius / 12))[..., None]
        image[:] = (image * (1 - disc) + new * disc).astype(np.uint8)
        inside = (disc[..., 0] > 0.5) & (mark == 1)
        ring = cv2.dilate(inside.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        outline[ring] = 0  # a gap, so that touching nuclei stay apart
        outline[inside] = 1


def _gaps(outline: np.ndarray) -> np.ndarray:
    """Marks the gaps between nuclei that nearly touch. They count more in the loss (Ronneberger et al., 2015)."""
    nuclei = (outline == 1).astype(np.uint8)
    closed = cv2.morphologyEx(nuclei, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    return np.where((closed == 1) & (outline == 0), np.uint8(GAP), outline)


def _solid(image: np.ndarray, outline: np.ndarray, red_cell: float, rng: np.random.Generator, red: float) -> None:
    """Changes the red cells of `image` to look as in thick smears: dark orange, without a pale middle.

    red: at most this many times as much red light do they absorb.
    """
    reach = 2 * round(red_cell * rng.uniform(0.15, 0.3)) + 1
    filled = cv2.morphologyEx(image, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    density: np.ndarray = (
        _LEVELS[filled] * np.float32(np.exp(rng.uniform(-0.2, 1.0))) * rng.uniform([0.6, 1, 1], [red, 1.2, 1.5])
    )
    near = 2 * round(red_cell * 0.5) + 1  # white cells and their surroundings stay as they are
    white = cv2.dilate((outline > 0).astype(np.uint8), np.ones((near, near), np.uint8))
    white = cv2.GaussianBlur(white.astype(np.float32), (0, 0), max(1.0, red_cell * 0.05))[..., None]
    image[:] = (white * image + (1 - white) * 255 * np.exp(-density.astype(np.float32))).astype(np.uint8)


def _drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """A field of the simulated microscope with many touching cells, its outline, and the red cells' diameter in pixels.

    In a drawn field every nucleus is known, even if another overlaps it.
    """
    red_cell = float(np.exp(rng.uniform(np.log(14), np.log(130))))
    count = int(min(8, 1 + rng.poisson(0.05 * (FIELD / red_cell) ** 2)))
    look = drawing.Look(red_cell, stain=1.0, blur=0.7, noise=0.0)
    image, truth = drawing.field(rng, count, count // 2, (FIELD, FIELD), look)
    outline = np.zeros((FIELD // 2, FIELD // 2), np.uint8)
    for cell in truth:
        x, y, radius = cell.nucleus
        cv2.circle(outline, (round(x / 2), round(y / 2)), max(1, round(CORE * radius / 2)), 1, -1)
    return image, outline, red_cell


def _specks(image: np.ndarray, outline: np.ndarray, tile: int, rng: np.random.Generator) -> None:
    """Draws platelets, stain deposits and glints into `image`: too small to be cells, whatever their colour."""
    for _ in range(rng.poisson(1.5)):
        x, y = (int(v) for v in rng.integers(0, FIELD, 2))
        radius = max(1, int(tile * rng.uniform(0.02, 0.07)))
        if outline[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1].any():
            continue
        colour = (np.array([150, 90, 170]) * rng.uniform(0.5, 1.3) + rng.normal(0, 25, 3)).clip(0, 255)
        layer = image.copy()
        cv2.ellipse(layer, (x, y), (radius, max(1, int(radius * rng.uniform(0.5, 1)))), 0, 0, 360, colour.tolist(), -1)
        image[:] = cv2.GaussianBlur(layer, (0, 0), 0.8) if radius > 3 else layer


def _dark_red_cells(image: np.ndarray, outline: np.ndarray, red_cell: float, rng: np.random.Generator) -> None:
    """Draws red cells into `image` that are darker than the others: spherocytes, cells out of focus, pairs of them.

    They have the colour of the field's own red cells. They differ from nuclei in that they are paler, in their size and
    in their smooth surface.
    """
    absorbed = _LEVELS[image]
    green = absorbed[..., 1]
    light = np.percentile(green, 20)
    free = outline == 0
    stained = free & (green > light + 0.5 * (np.percentile(green[free], 90) - light)) if free.any() else free
    if stained.sum() < 50:
        return
    clear = np.percentile(absorbed.reshape(-1, 3), 20, axis=0)
    colour = np.maximum(np.median(absorbed[stained], axis=0) - clear, 0.02)
    nuclei_near = cv2.dilate(
        (outline > 0).astype(np.uint8), np.ones((2 * max(1, round(red_cell / 2)) + 1,) * 2, np.uint8)
    )
    for _ in range(1 + rng.poisson(2)):
        x, y = rng.uniform(0, FIELD, 2)
        darker = np.exp(rng.uniform(0, 0.9)) * np.exp(rng.normal(0, 0.1, 3))
        soft = max(0.6, red_cell * rng.uniform(0.02, 0.25))
        disc: np.ndarray = np.zeros((FIELD, FIELD), np.float32)
        for _ in range(1 + (rng.random() < 0.3)):
            radius = red_cell * rng.uniform(0.33, 0.6)
            axes = max(1, round(radius)), max(1, round(radius * rng.uniform(0.75, 1)))
            one: np.ndarray = np.zeros((FIELD, FIELD), np.float32)
            cv2.ellipse(one, (round(x), round(y)), axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
            if rng.random() < 0.3:  # a pale middle
                cv2.circle(one, (round(x), round(y)), max(1, round(radius * rng.uniform(0.2, 0.5))), 0.5, -1)
            disc += one
            x, y = np.array([x, y]) + rng.normal(0, 0.5, 2) * red_cell
        disc = cv2.GaussianBlur(disc, (0, 0), soft)
        if nuclei_near[disc > 0.1].any():
            continue
        added = disc[..., None] * (colour * darker).astype(np.float32)
        # What is darker already, such as another red cell below, shines through in part.
        image[:] = np.minimum(
            image, 256 * np.exp(-(clear + added + 0.3 * (absorbed - clear) * (disc[..., None] > 0.1))) - 1
        ).clip(0, 255)


def _camera(image: np.ndarray, rng: np.random.Generator, hard: float = 0.0) -> np.ndarray:
    """The picture with a random stain, lamp, focus, sensor and compression. hard: as for Mosaic."""
    density = _LEVELS[image]
    density *= np.float32(np.exp(rng.uniform(-1.8, 0.4)) * np.exp(rng.normal(0, 0.18, 3)))
    density @= (np.eye(3) + rng.normal(0, 0.09, (3, 3))).astype(np.float32)
    strong = hard > 0 and rng.random() < hard / 2  # casts and blur far beyond a good microscope's
    xs = np.linspace(-1, 1, FIELD, dtype=np.float32)
    ys = xs[:, None]
    for channel in range(3):
        along, across, radial = (rng.normal(0, 0.12, 3) + rng.normal(0, 0.12)).astype(np.float32)
        shade = along * xs + across * ys + radial * (xs**2 + ys**2)
        density[..., channel] += shade - shade.min() + rng.uniform(0, 0.8 if strong else 0.35)
    density += np.float32(rng.uniform(0, 0.4))
    gamma = np.exp(rng.normal(0, 0.15))
    light = np.float32(255) * np.exp(np.minimum(-density, 0) * np.float32(gamma))
    if rng.random() < 0.6:
        light = cv2.GaussianBlur(light, (0, 0), 0.3 + abs(rng.normal(0, 2.2 if strong else 1.2)))
    if rng.random() < 0.25:
        light += np.float32(rng.uniform(0.3, 1.5)) * (light - cv2.GaussianBlur(light, (0, 0), rng.uniform(1, 3)))
    light += np.float32(rng.uniform(0, 7)) * rng.standard_normal(light.shape, np.float32)
    result = np.clip(light, 0, 255).astype(np.uint8)
    if rng.random() < 0.1:  # a scale bar burnt in
        x, y, w = rng.integers(10, 200), rng.integers(10, FIELD - 10), rng.integers(30, 100)
        ink = [0, 0, 0] if rng.random() < 0.5 else [255, 255, 255]
        cv2.rectangle(result, (int(x), int(y)), (int(x + w), int(y + rng.integers(2, 7))), ink, -1)
        cv2.putText(result, f"{rng.integers(1, 60)} um", (int(x), int(y) - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, 1)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))]
        result = cv2.imdecode(cv2.imencode(".jpg", result, quality)[1], cv2.IMREAD_COLOR)
    return np.asarray(result, np.uint8)
