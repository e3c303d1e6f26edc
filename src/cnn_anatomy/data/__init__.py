"""Image sets in memory, the batches cut from them, and where they come from."""

from cnn_anatomy.data.images import ImageSet, Splits
from cnn_anatomy.data.module import ImageData

__all__ = ["ImageData", "ImageSet", "Splits"]
