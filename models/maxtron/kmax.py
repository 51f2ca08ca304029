"""k-means Mask Transformer (Yu et al., ECCV 2022): queries are cluster centres, each pixel belongs to one.

Cross-attention takes the arg-max over queries instead of the softmax over pixels: a pixel is assigned to its
most similar query, and a query takes the sum of its pixels (kMaX, Eq. 7).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mobilevis.models.blocks.layers import ConvNorm
from mobilevis.models.blocks.resampling import repeat_batch

# kMaX starts the norm of its mask logits at 0.1 and has 150,000 iterations to let it grow.
MASK_SCALE = 3.0


class Predictor(nn.Module):
    """Class logits of queries, and mask logits as cosine-like products with the pixels (kMaX, Fig. 3).

    Args:
        pixels: channels of the pixel features.
        dim: D, channels of the queries.
        kernel_dim: D', channels of kernels and normalised pixels.
        num_classes: C.
    """

    ones: Tensor

    def __init__(self, pixels: int, dim: int, kernel_dim: int, num_classes: int) -> None:
        super().__init__()
        self.pixel_head = nn.Sequential(
            ConvNorm(pixels, pixels, 5, groups=pixels, activation=nn.GELU()),
            ConvNorm(pixels, dim, activation=nn.GELU()),
            ConvNorm(dim, kernel_dim),
        )
        self.kernel_head = ConvNorm(dim, kernel_dim)
        self.class_head = nn.Conv2d(dim, num_classes + 1, 1)
        self.mask_norm = nn.BatchNorm2d(1)
        nn.init.constant_(self.mask_norm.weight, MASK_SCALE)
        nn.init.trunc_normal_(self.class_head.weight, std=0.01)
        # Nine queries of ten are no object when training starts.
        prior = torch.zeros(num_classes + 1)
        prior[-1] = math.log(9.0 * num_classes)
        self.class_head.bias = nn.Parameter(prior)
        self.register_buffer("ones", torch.ones(1, kernel_dim, 1, 1), persistent=False)

    def normal_pixels(self, pixels: Tensor) -> Tensor:
        """Pixel features (B, C, H, W) → unit vectors (B, D', H, W)."""
        x = self.pixel_head(pixels)
        return x * torch.rsqrt(F.conv2d(x * x, self.ones) + 1e-12)

    def kernels(self, queries: Tensor) -> Tensor:
        """Queries (B, D, N, 1) → kernels (B, N, D')."""
        return self.kernel_head(queries).squeeze(3).transpose(1, 2)

    def class_logits(self, queries: Tensor) -> Tensor:
        """Queries (B, D, N, 1) → (B, N, C + 1)."""
        return self.class_head(queries).squeeze(3).transpose(1, 2)

    def mask_logits(self, kernels: Tensor, cells: Tensor) -> Tensor:
        """Kernels (B, N, D') and unit cells (B, D', M) → (B, N, M), normalised over all of them."""
        return self.mask_norm(torch.bmm(kernels, cells)[:, None])[:, 0]

    def scaled_kernels(self, kernels: Tensor) -> Tensor:
        """Kernels with the norm's scale in them, for evaluation: its shift is the same for all queries, and
        the softmax over queries does not see it."""
        norm = self.mask_norm
        assert norm.running_var is not None
        return kernels * (norm.weight * torch.rsqrt(norm.running_var + norm.eps))


class KMaxLayer(nn.Module):
    """k-means cross-attention, self-attention and a feed-forward part of the queries (kMaX, Fig. 4).

    Args:
        pixels: channels of the pixel features.
        dim: D, channels of the queries.
        heads: of the self-attention.
        hidden: width of the feed-forward part.
        predictor: names the clusters.
    """

    def __init__(self, pixels: int, dim: int, heads: int, hidden: int, predictor: Predictor) -> None:
        super().__init__()
        self.heads = heads
        self.pixel_input = ConvNorm(pixels, dim, activation=nn.GELU())
        self.query_input = ConvNorm(dim, dim, activation=nn.GELU())
        self.pixel_value = ConvNorm(dim, dim)
        self.predictor = predictor
        self.centre_norm = nn.BatchNorm2d(dim)
        self.centre_out = ConvNorm(dim, dim, zero_init=True)
        self.query_key_value = ConvNorm(dim, 2 * dim)
        self.attention_norm = nn.BatchNorm2d(dim)
        self.attention_out = ConvNorm(dim, dim, zero_init=True)
        self.feed_forward = nn.Sequential(
            ConvNorm(dim, hidden, activation=nn.GELU()), ConvNorm(hidden, dim, zero_init=True)
        )

    def forward(self, queries: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One layer.

        Args:
            queries: (B, D, N, 1).
            level: (T·B, C, H, W), frame-major.

        Returns:
            The queries after it; and of those before it the class logits (B, N, C + 1), the mask logits
            (B, N, T·H·W) and the unit cells (B, D', T·H·W).
        """
        clips = queries.shape[0]
        pixels = self.pixel_input(F.gelu(level))
        query = self.query_input(queries)
        cells = clip_cells(self.predictor.normal_pixels(pixels), clips)
        mask_logits = self.predictor.mask_logits(self.predictor.kernels(query), cells)
        values = clip_cells(self.pixel_value(pixels), clips)
        update = torch.bmm(values, assign(mask_logits).transpose(1, 2))[..., None]
        queries = queries + self.centre_out(self.centre_norm(update))
        queries = F.gelu(queries + self.attention_out(self._attend(query)))
        queries = F.gelu(queries + self.feed_forward(queries))
        return queries, self.predictor.class_logits(query), mask_logits, cells

    def _attend(self, query: Tensor) -> Tensor:
        batch, dim, count, _ = query.shape
        heads, half = self.heads, dim // 2
        qkv = self.query_key_value(query)

        def split(x: Tensor) -> Tensor:
            return x.reshape(batch * heads, -1, count).transpose(1, 2)

        q = split(qkv[:, :half]) * (half // heads) ** -0.5
        k, v = split(qkv[:, half:dim]), split(qkv[:, dim:])
        out = torch.bmm(torch.bmm(q, k.transpose(1, 2)).softmax(dim=-1), v)
        return F.gelu(self.attention_norm(out.transpose(1, 2).reshape(batch, dim, count, 1)))


class KMaxDecoder(nn.Module):
    """N learned cluster centres, refined by layers over strides 32, 16 and 8, and the final predictor at 4.

    Args:
        pixels: channels of the pixel decoder's levels at strides 32, 16, 8 and 4.
        dim: D.
        kernel_dim: D'.
        heads: of the self-attention.
        num_queries: N.
        num_classes: C.
        layers: at strides 32, 16 and 8.
        hidden: width of the feed-forward parts.
    """

    def __init__(
        self,
        pixels: Sequence[int],
        dim: int,
        kernel_dim: int,
        heads: int,
        num_queries: int,
        num_classes: int,
        layers: Sequence[int],
        hidden: int,
    ) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.empty(1, dim, num_queries, 1))
        nn.init.trunc_normal_(self.queries)
        self.levels = [level for level, count in enumerate(layers) for _ in range(count)]
        self.layers = nn.ModuleList(
            KMaxLayer(pixels[level], dim, heads, hidden, Predictor(dim, dim, kernel_dim, num_classes))
            for level in self.levels
        )
        self.class_embedding = ConvNorm(dim, dim, activation=nn.GELU())
        self.kernel_embedding = ConvNorm(dim, dim, activation=nn.GELU())
        self.predictor = Predictor(pixels[-1], dim, kernel_dim, num_classes)

    def initial_queries(self, clips: int) -> Tensor:
        """The learned centres, (B, D, N, 1)."""
        return repeat_batch(self.queries, clips)


def assign(mask_logits: Tensor) -> Tensor:
    """The k-means assignment: (B, N, M) logits → 1 for the most similar of the N queries of a cell, else 0.

    No gradient goes through it, as in kMaX.
    """
    logits = mask_logits.detach()
    return (logits >= logits.amax(dim=1, keepdim=True)).to(logits.dtype)


def clip_cells(frames: Tensor, clips: int) -> Tensor:
    """Maps of B clips, (T·B, C, H, W), frame-major → (B, C, T·H·W)."""
    total, channels = frames.shape[:2]
    x = frames.reshape(total // clips, clips, channels, -1).permute(1, 2, 0, 3)
    return x.reshape(clips, channels, -1)
