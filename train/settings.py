"""How to train: the settings of all networks, and the values that each network does best with. run.json holds them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The settings of every classifier.

    Attributes:
        size: width and height of the network's input in pixels.
        epochs: passes over the training pictures.
        batch: pictures per step.
        seed: of all random choices, 0 to 20,000.
        policy: how crops are made, a key of edge.crop.POLICIES.
        source: the only source to learn from, or several; None for all.
        without: types of *other* cells that are left out of train and val, such as "basophil"; None to leave out none.
            They stay in the test split, so that one can measure how the unknown is answered.
        fields: what is learned from the learning half of the marked camera fields, one of
            train.data.field_examples.FIELDS; None for nothing.
        ruler: what sets the size of crops, one of train.data.crop_scale.RULERS.
        augment: which random changes are made to pictures; see train.augment.recipe.
        amount: how strong the changes of stain, light, lens and sensor are, 0 to 4; 1 is as much as microscopes of one
            kind differ.
        balance: "weights" (the rarer class of each source counts more in the loss), "sampling" (it is drawn more often)
            or "none".
        mixup: alpha of mixup (Zhang et al., ICLR 2018), 0 to 1; 0 is off.
        smoothing: label smoothing, 0 to 0.5.
        average: momentum of the moving average of the weights, from 0 to below 1; 0 is off.
        thresholds: whether train.thresholds fits the thresholds between the classes to the val split.
        other: how cells of other types are learned: "none" (not at all), "one" (as one class), or "kinds" (each type as
            a class of its own, and places without a cell as another; answers merge them).
        rate: learning rate, above 0 to 1.
        strategy: "one" device, "mirrored" (all GPUs of this machine) or "multiworker" (the machines in TF_CONFIG).
        precision: "float32", "mixed_float16", "mixed_bfloat16", or "auto": "mixed_float16" with a GPU, else "float32".
        deterministic: whether the same seed always gives the same figures; this makes training a little slower.
    """

    size: int = 64
    epochs: int = 40
    batch: int = 32
    seed: int = 0
    policy: str = "cell"
    source: str | tuple[str, ...] | None = None
    without: tuple[str, ...] | None = None
    fields: str | None = None
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
    """Further settings of transfer learning from VGG16.

    Attributes:
        unfreeze: how many of VGG16's last blocks are trained too, 0 to 4.
        views: augmented views of each picture that are kept on disk, at least 1.
        head_epochs: passes in which only the head is trained, before the blocks.
        weights: a file of VGG16's weights; "imagenet" downloads them.
    """

    unfreeze: int = 2
    views: int = 5
    head_epochs: int = 4
    weights: str = "imagenet"


@dataclass(frozen=True)
class Compact:
    """Further settings of the compact network.

    Attributes:
        views: augmented views of each picture that are kept on disk, at least 1.
        crowd: share of the views in which red cells press against the white cell, 0 to 1.
        teachers: folders of runs whose mean answer to each view is learned as well as its label. SOURCE in a name
            stands for the source that is learned from.
        blocks: how many blocks of MobileNetV2 are used; see train.networks.compact.
        norm: what the normalisation layers do: "frozen" (they keep ImageNet's statistics, two numbers per channel) or
            "batch" (they learn the statistics of the sources).
        weights: a file of MobileNetV2's weights; "imagenet" downloads them, "none" starts from random ones.
    """

    views: int = 8
    crowd: float = 0.5
    teachers: tuple[str, ...] = ()
    blocks: int = 12
    norm: str = "frozen"
    weights: str = "imagenet"


@dataclass(frozen=True)
class Locator:
    """The settings of the locator's training.

    Attributes:
        epochs: at least 1.
        steps: batches per epoch.
        batch: fields per batch.
        rate: learning rate, above 0 to 1.
        drawn: share of the composed fields that the simulated microscope draws, 0 to 1.
        seed: of all random choices, 0 to 20,000.
        hard: share of the fields with dark red cells; half as many have strong casts and blur, 0 to 1.
        pool: this many fields are composed once, then turned and mirrored; 0 to compose new ones all the time.
        large: whether to train the larger network, from which the shipped one learned.
    """

    epochs: int = 24
    steps: int = 100
    batch: int = 16
    rate: float = 3e-3
    drawn: float = 0.2
    seed: int = 0
    hard: float = 0.0
    pool: int = 0
    large: bool = False


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
