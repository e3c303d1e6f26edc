"""Trains on one rank's share of a batch, or alone on the whole batch."""

import os
import sys

import lightning.pytorch as pl
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from cnn_anatomy.distributed.batch_norm import SynchronisedNorm
from cnn_anatomy.distributed.process_group import average


class Fault(pl.Callback):
    """Fails in the second of several processes only."""

    def on_train_epoch_end(self, trainer, module):
        if trainer.global_rank == 1:
            raise MemoryError("no room in the second")


def network():
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3)]
    parts += [nn.BatchNorm2d(5, momentum=None), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*parts, nn.Linear(5, 2)).double()


def trained(rank, world):
    """Take three steps on this share of a batch of eight; return losses, gradients and state."""
    alone = network()
    if world > 1:
        SynchronisedNorm().apply(alone)
    model = DistributedDataParallel(alone) if world > 1 else alone
    optimizer = torch.optim.SGD(alone.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(1)
    kept = []
    for _ in range(3):
        images = torch.randn(8, 3, 9, 9, generator=generator, dtype=torch.double)
        labels = torch.randint(0, 2, (8,), generator=generator)
        share = slice(rank * 8 // world, (rank + 1) * 8 // world)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images[share]), labels[share])
        loss.backward()
        mean = loss.detach().clone()
        average([mean])
        kept += [mean, *(p.grad.clone() for p in alone.parameters())]
        optimizer.step()
    SynchronisedNorm().revert(alone)
    alone.eval()
    kept.append(alone(images).detach())
    return kept + [v.clone() for v in alone.state_dict().values()]


if __name__ == "__main__":
    distributed.init_process_group("gloo")
    values = trained(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]))
    if os.environ["RANK"] == "0":
        torch.save(values, sys.argv[1])
    distributed.destroy_process_group()
