"""The generator of DeblurGAN: a residual network at a quarter of the resolution. It learns what to add to the photograph.

Source: Kupyn et al., "DeblurGAN: Blind Motion Deblurring Using Conditional Adversarial Networks", CVPR 2018, and its code of
2018. The order of the modules is that of the code, so the names in a state dictionary are the same: ``model.1.weight``,
``model.10.conv_block.1.weight``.
"""

from __future__ import annotations

from torch import Tensor, nn

from blurkit.program.checks import one_of, within
from trainer.networks.build import accept_published_names, initialise, normalised, require_size


class ResnetGenerator(nn.Module):
    """Maps float (B, 3, H, W) in [-1, 1] to the same shape, range and precision. H and W are multiples of 4 and at least 8.

    ``blocks``: residual blocks (published: 9 or 6) of 4 ``width`` channels. ``dropout``: its rate in the blocks during training;
    with ``mc_dropout`` always, as published. ``upsampling``: "transposed" convolution, or "resize": nearest-neighbour enlargement
    and a convolution (Odena et al., Distill 2016), which has as many parameters and makes no checkerboard. ``skip``: add the
    input to the output.
    """

    multiple = 4
    least = 8  # a reflection by one pixel needs two pixels, at a quarter of the resolution

    def __init__(
        self,
        *,
        blocks: int = 9,
        width: int = 64,
        dropout: float = 0.5,
        mc_dropout: bool = False,
        upsampling: str = "transposed",
        skip: bool = True,
    ) -> None:
        within("generator.blocks", [blocks], 0, 32)
        within("generator.width", [width], 1, 256)
        within("generator.dropout", [dropout], 0, 1)
        one_of("generator.upsampling", upsampling, list(DOUBLE))
        super().__init__()
        self.skip, self.mc_dropout = skip, mc_dropout
        double = DOUBLE[upsampling]
        self.model = nn.Sequential(
            *(nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), *normalised(width)),
            *(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), *normalised(2 * width)),
            *(nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1), *normalised(4 * width)),
            *(ResidualBlock(4 * width, dropout) for _ in range(blocks)),
            *(double(4 * width, 2 * width), *normalised(2 * width)),
            *(double(2 * width, width), *normalised(width)),
            *(nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()),
        )
        initialise(self)
        self.register_load_state_dict_pre_hook(accept_published_names)

    def forward(self, blurred: Tensor) -> Tensor:
        """Returns the restored photographs."""
        require_size(self, blurred)
        output = self.model(blurred).to(blurred.dtype)
        return (blurred + output).clamp(-1, 1) if self.skip else output

    def train(self, mode: bool = True) -> ResnetGenerator:
        """Set training or evaluation mode. With ``mc_dropout``, dropout stays active in both."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.train(mode or self.mc_dropout)
        return self


class ResidualBlock(nn.Module):
    """Adds two convolutions of x to x."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            *(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), *normalised(channels), nn.Dropout(dropout)),
            *(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Maps (B, C, H, W) to the same shape."""
        return features + self.conv_block(features)


def transposed(channels: int, fewer: int) -> nn.Module:
    """Returns the transposed convolution that doubles height and width."""
    return nn.ConvTranspose2d(channels, fewer, 3, stride=2, padding=1, output_padding=1)


def _resize(channels: int, fewer: int) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, fewer, 3, padding=1, padding_mode="reflect"))


DOUBLE = {"transposed": transposed, "resize": _resize}
