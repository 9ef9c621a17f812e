"""Names of the blurred and the sharp image of a pair, in the layouts of datasets and of people."""

#: Blurred and sharp file of one pair, by layout.
LAYOUTS = {
    "gopro": ("train/GOPR0384_11_00/blur/000001.png", "train/GOPR0384_11_00/sharp/000001.png"),
    "gopro gamma": ("test/GOPR0384_11_00/blur_gamma/000001.png", "test/GOPR0384_11_00/sharp/000001.png"),
    "reds": ("train/train_blur/000/00000001.png", "train/train_sharp/000/00000001.png"),
    "reds jpeg": ("val_blur_jpeg/000/00000001.jpg", "val_sharp/000/00000001.png"),
    "realblur": ("RealBlur-J_ref/scene001/blur/blur_1.png", "RealBlur-J_ref/scene001/gt/gt_1.png"),
    "hide": ("test/1fromGOPR0950.png", "GT/1fromGOPR0950.png"),
    "hide close": ("test/test-close-ups/1fromGOPR0950.png", "GT/1fromGOPR0950.png"),
    "hide train": ("train/1fromGOPR0950.png", "GT/1fromGOPR0950.png"),
    "hide original": ("HIDE_dataset/test/test-long-shot/1.png", "HIDE_dataset/GT/1.png"),
    "bsd": ("BSD/train/001/Blur/RGB/00000001.png", "BSD/train/001/Sharp/RGB/00000001.png"),
    "lq gt": ("LQ/1.png", "GT/1.png"),
    "lq hq": ("train/LQ/a/1.png", "train/HQ/a/1.png"),
    "low high": ("our485/low/1.png", "our485/high/1.png"),
    "source target": ("test_c/source/1P0A0863.png", "test_c/target/1P0A0863.png"),
    "input groundtruth": ("Input/1.JPG", "GroundTruth/1.PNG"),
    "input ground truth": ("input/1.jpg", "Ground Truth/1.png"),
    "a b": ("A/1.png", "B/1.png"),
    "a b of a split": ("A/train/1.png", "B/train/1.png"),
    "pix2pix": ("trainA/1.png", "trainB/1.png"),
    "letters": ("scene/0001_B.png", "scene/0001_S.png"),
    "letters of folders": ("scene_B/0001.png", "scene_S/0001.png"),
    "words of files": ("1_blurry.png", "1_sharp.png"),
    "words of both": ("Blur/0001_B.png", "Sharp/0001_S.png"),
    "many": ("blurred_images/1.png", "sharp_images/1.png"),
    "plural": ("inputs/1.png", "targets/1.png"),
    "camels": ("BlurImages/1.png", "SharpImages/1.png"),
    "text": ("0001_blur.png", "0001_orig.png"),
    "both in one name": ("blur/motion blur 1.png", "sharp/motion blur 1.png"),
    "capitals": ("BLURRED/1.PNG", "SHARP/1.PNG"),
    "scene called a": ("blur/a/1.png", "sharp/a/1.png"),
    "split inside": ("blur/test/1.png", "sharp/test/1.png"),
}


def numbered(layout: str, number: int) -> list[str]:
    """The blurred and the sharp file of a pair with this number."""
    parts = (name.rpartition("1") for name in LAYOUTS[layout])
    return [f"{head}{number}{tail}" for head, _, tail in parts]
