"""How to train: one set of settings for all networks, and what each network does best with."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """run.json holds them all.

    size: pixels of the network's input; epochs; batch: pictures a step; seed; policy: of edge.crop; source: learn from
    this one alone; ruler: of train.crop_scale, by which crops are made; augment: see train.augment.recipe; amount: how far
    its views go; balance: "weights" (the rare class of each source counts more), "sampling" (it's drawn more often) or
    "none"; mixup: alpha; smoothing: of labels; average: momentum of the moving average of weights; thresholds: whether
    train.thresholds puts them right on val; other: how what is neither is learned, "none", "one" class, or "kinds",
    each type of cell and empty places as classes of their own, which answers merge; rate: of learning; strategy: "one"
    device, "mirrored" over this machine's GPUs or "multiworker" as TF_CONFIG says; precision: "float32",
    "mixed_float16", "mixed_bfloat16", or "auto" for the first without and the second with a GPU; deterministic: the
    same metrics from the same seed, at the price of some speed.
    """

    size: int = 64
    epochs: int = 40
    batch: int = 32
    seed: int = 0
    policy: str = "cell"
    source: str | None = None
    ruler: str = "run"
    augment: str = "light"
    amount: float = 1.0
    balance: str = "weights"
    mixup: float = 0.0
    smoothing: float = 0.0
    average: float = 0.0
    thresholds: bool = False
    other: str = "none"
    rate: float = 1e-3
    strategy: str = "one"
    precision: str = "auto"
    deterministic: bool = True


@dataclass(frozen=True)
class Transfer:
    """What transfer learning needs besides. unfreeze: how many of VGG16's last blocks are trained too; views: augmented
    ones of each picture, on disk; head_epochs: of the head alone, before; weights: a file, or "imagenet" to download.
    """

    unfreeze: int = 2
    views: int = 5
    head_epochs: int = 4
    weights: str = "imagenet"


@dataclass(frozen=True)
class Compact:
    """What the compact network needs besides. views: augmented ones of each picture, on disk; crowd: the share of them
    in which red cells come close; teachers: runs whose mean answer to each view is learned besides its label, SOURCE in
    their names standing for the source that is learned from; blocks: of MobileNetV2 that are taken; norm: what its
    normalisation layers do, "frozen" (as ImageNet left them: two numbers a channel), "batch" (learn the sources'
    statistics); weights: of MobileNetV2, a file, or "imagenet" to download it, or "none" for chance.
    """

    views: int = 8
    crowd: float = 0.5
    teachers: tuple[str, ...] = ()
    blocks: int = 12
    norm: str = "frozen"
    weights: str = "imagenet"


BASELINE = Settings()
VGG16 = Settings(size=96, epochs=6, rate=3e-5, smoothing=0.1)
COMPACT = Settings(
    size=80,
    epochs=20,
    batch=64,
    policy="normalised",
    augment="full",
    amount=2.0,
    smoothing=0.1,
    thresholds=True,
    other="kinds",
)
