"""Small networks that are called like those of torchvision for segmentation and detection."""

import torch


class Thirds(torch.nn.Module):
    """Classifies each pixel by its brightness, as the third of the range."""

    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        brightness = images.mean(1, keepdim=True) + self.bias
        return {"out": torch.cat((0.5 - brightness, brightness * 0, brightness - 0.7), dim=1)}


class Fixed(torch.nn.Module):
    """Finds a box with the score of the brightest pixel in each image, and a faint one."""

    def forward(self, images):
        assert all(image.min() >= 0 and image.max() <= 1 and image.ndim == 3 for image in images)
        boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [5.0, 5.0, 9.0, 9.0]])
        return [
            {"boxes": boxes, "labels": torch.tensor([1, 1]), "scores": torch.stack((image.max(), image.max() / 9))}
            for image in images
        ]
