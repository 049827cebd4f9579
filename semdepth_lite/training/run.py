"""The training loop: seeded, logged, checkpointed, and resumed bit for bit.

Everything drawn at random in step i follows from (seed, i) alone, so a run that was cut off continues as if it had
not been. A run folder holds settings.json, log.jsonl, checkpoint.pt and, when it is done, metrics.json.
"""
from __future__ import annotations

import io
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
from torch.nn.parallel import DistributedDataParallel

from ..common.contracts import InputError, RunFailed
from ..common.runtime import interrupt_between_steps, keep_freed_memory, peak_mib, pick_device, seed_of
from ..common.storage import read_json, read_log, remove_leftovers, sole_use, write_atomically, write_json
from ..data.sources import Source, prefetch
from ..data.triplet import Triplet
from ..losses import LossTerms
from ..model import Model, Prediction, Step
from ..weights import load_imagenet
from .batches import as_trained, batch_indices, check_source, load_batch
from .checkpoint import load_checkpoint
from .preparation import clean_up, prepare, with_noise
from .settings import TrainSettings, learning_rate


class TrainingError(RunFailed):
    """Training went wrong in a way that has a name; the message says what to try."""


def diagnose(terms: LossTerms, prediction: Prediction) -> str | None:
    """Name what went wrong in a step, with what to try; None if all is well."""
    if not bool(torch.isfinite(terms.total)):
        return "the loss is not a number: lower the learning rate, and look for broken frames with `doctor`"
    inverse = 1 / prediction.depth.detach().float()  # not disparity: at its far end that varies a lot around nothing
    if float((inverse.std((1, 2, 3)) / inverse.mean((1, 2, 3))).max()) < 1e-3:
        return ("depth has collapsed to a constant: lower the learning rate, and check that the camera moves and that "
                "the intrinsics belong to this image size")
    motion = prediction.T_source_target
    if motion is not None and motion.requires_grad and float(motion.detach()[..., :3, 3].norm(dim=-1).max()) < 1e-6:
        return "the pose has collapsed to standing still: lower the learning rate, or raise the frame step"
    return None


def join_processes(device: str = "auto") -> str:
    """Join the processes that torchrun started, and return this one's device; alone, change nothing.

    Gradients are averaged over the processes, so they equal those of one process with the joined batch, except that
    each process normalizes its own share of the batch in BatchNorm.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or torch.distributed.is_initialized():
        return device
    if pick_device(device).type == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
        torch.distributed.init_process_group("nccl")
    else:
        torch.distributed.init_process_group("gloo")
    return device


def make_optimizer(parameters: list[torch.nn.Parameter], rate: float) -> torch.optim.Adam:
    """Return Adam in the form that goes through all weights in one call, where the device has it."""
    return torch.optim.Adam(parameters, rate, fused=parameters[0].device.type in ("cpu", "cuda"))


def update(optimizer: torch.optim.Optimizer, parameters: list[torch.nn.Parameter], clip: float) -> None:
    """Clip the gradients' norm, if it is limited, and take Adam's step. Nothing in here waits for a GPU."""
    if clip:
        torch.nn.utils.clip_grad_norm_(parameters, clip, foreach=True)
    optimizer.step()


class Run:
    """A training run in its folder.

    Args:
        source: training triplets.
        settings: what to compute.
        folder: run folder; an unfinished run of the same settings in it is continued.
        device: where to compute, `auto` for CUDA where there is one.
        imagenet: file of torchvision's ImageNet weights to start the encoders from, or "download".

    Raises:
        InputError: if the folder holds a run with other settings or a checkpoint that cannot be read, or the data
            cannot be trained on.
    """

    def __init__(self, source: Source, settings: TrainSettings, folder: Path, device: str = "auto",
                 imagenet: str | None = None) -> None:
        self.settings, self.folder = settings, Path(folder)
        check_source(source, settings)
        self.source = with_noise(source, settings.label_noise, settings.seed)
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if settings.batch % self.world:
            raise InputError(f"batch {settings.batch} cannot be shared by {self.world} processes; use a multiple.")
        self.device = pick_device(join_processes(device))
        self.model, self.imagenet = settings.build(), imagenet
        if imagenet is not None and not (self.folder / "checkpoint.pt").exists():
            self._load_imagenet()
        self.model.to(self.device)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = make_optimizer(self.parameters, settings.learning_rate)
        self.step, self.seconds, self.cpu_seconds = 0, 0.0, 0.0
        with self._alone():
            self._open_folder()

    def _alone(self) -> AbstractContextManager[None]:
        """Keep other runs out of the folder; of several processes of a run the first one speaks for all."""
        return sole_use(self.folder) if self.rank == 0 else nullcontext()

    def _load_imagenet(self) -> None:
        """Start the encoders from ImageNet weights."""
        file = None if self.imagenet == "download" else Path(self.imagenet)
        for encoder in (self.model.encoder, self.model.pose_encoder):
            if encoder is not None:
                load_imagenet(encoder, self.settings.encoder, file)

    def _open_folder(self) -> None:
        """Continue the run in the folder, or start one."""
        about = {"settings": asdict(self.settings), "data": self.source.name, "triplets": len(self.source),
                 "height": self.source.height, "width": self.source.width, "imagenet": self.imagenet}
        path = self.folder / "settings.json"
        mine = getattr(self.source, "fingerprint", None)  # of images, intrinsics and labels; made-up sources have none
        if not path.exists() and any((self.folder / name).exists() for name in ("checkpoint.pt", "log.jsonl")):
            raise InputError(f"{self.folder} holds a checkpoint or a log without its settings.json, so nobody knows "
                             "what was trained; restore that file, or use another folder.")
        if path.exists():
            known = read_json(path)
            if known.get("fingerprint", mine) != mine:
                raise InputError(f"{self.folder} holds a run that was trained on other images, intrinsics or labels "
                                 f"than {self.source.name} has now; use another folder, or delete this one.")
            for name, value in about.items():
                if known.get(name) != value:
                    raise InputError(f"{self.folder} holds a run with {name} {known.get(name)}, not {value}; "
                                     "use another folder, or delete this one.")
        elif self.rank == 0:
            about |= {"fingerprint": mine, "python": platform.python_version(), "torch": torch.__version__,
                      "device": str(self.device), "processes": self.world}
            write_json(path, about)
        if self.rank == 0:
            remove_leftovers(self.folder)
        if (self.folder / "checkpoint.pt").exists():
            self._resume()
        self._trim_log()

    def _resume(self) -> None:
        """Load the checkpoint."""
        state = load_checkpoint(self.folder / "checkpoint.pt", self.device)
        if state["settings"] != asdict(self.settings):
            raise InputError(f"{self.folder / 'checkpoint.pt'} is of a run with other settings; use another folder, or "
                             "delete this one.")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.cpu_seconds = state["step"], state["seconds"], state["cpu_seconds"]

    def _trim_log(self) -> None:
        """Drop log lines that were written after the checkpoint; their steps will be taken again."""
        log = self.folder / "log.jsonl"
        if self.rank == 0 and log.exists():
            rows = [row for row in read_log(log) if row.get("step", 0) <= self.step]
            write_atomically(log, lambda p: p.write_text("".join(json.dumps(row) + "\n" for row in rows)))

    def save(self) -> None:
        """Write the checkpoint atomically, so that at every moment the last good one is there."""
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step,
                 "seconds": self.seconds, "cpu_seconds": self.cpu_seconds, "settings": asdict(self.settings)}
        whole = io.BytesIO()  # torch would tell a full disk in its own words
        torch.save(state, whole)
        write_atomically(self.folder / "checkpoint.pt", lambda path: path.write_bytes(whole.getbuffer()))

    def train_step(self, batch: Triplet, forward: torch.nn.Module | None = None) -> tuple[LossTerms, Prediction]:
        """Take one optimizer step. Nothing in here waits for a GPU."""
        step = Step(self.step / self.settings.steps, seed_of(self.settings.seed, self.step),
                    self.settings.loss_at(self.step))
        rate = learning_rate(self.settings, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            terms, prediction = (forward or self.model)(batch, step)
        terms.total.backward()
        update(self.optimizer, self.parameters, self.settings.clip)
        self.step += 1
        return terms, prediction

    def batches(self, workers: int = 0) -> Iterator[Triplet]:
        """Yield the batches of the steps that are left, read ahead by threads; they are the same with any number."""
        steps = range(self.step, self.settings.steps)
        indices = (batch_indices(len(self.source), self.settings.batch, step, self.settings.seed)[self.rank::self.world]
                   for step in steps)
        with closing(prefetch(self.source, indices, workers)) as loaded:
            for step, triplet in zip(steps, loaded):
                yield as_trained(triplet, self.settings, step, self.device, self.rank, self.world)

    def train(self, progress: bool = True, log_every: int = 10, save_every: int = 200,
              watch: Callable[[Model], dict[str, float]] | None = None, watch_every: int = 0,
              workers: int = 0) -> Model:
        """Train to the end, and return the model.

        Args:
            progress: show a bar with the remaining time.
            log_every: steps between log lines.
            save_every: steps between checkpoints; Ctrl-C lets the step end and writes one more.
            watch: judges the model on the way; its numbers go to the log, its time is not counted.
            watch_every: steps between such looks, 0 = none.
            workers: threads that read ahead; with none, batches are read when they are needed.

        Raises:
            TrainingError: if the loss, the depth or the pose breaks down; the last good checkpoint stays.
            InputError: if another run is at work in the folder.
        """
        with self._alone():
            self._train(progress, log_every, save_every, watch, watch_every, workers)
        return self.model.eval()

    def _train(self, progress: bool, log_every: int, save_every: int, watch: Callable[[Model], dict[str, float]] | None,
               watch_every: int, workers: int) -> None:
        """Take the steps that are left."""
        from tqdm.auto import tqdm

        keep_freed_memory()
        clock = Clock(self)
        if self.step < self.settings.steps:
            self._prepare(progress)
        self.model.train()
        forward = DistributedDataParallel(self.model) if self.world > 1 else self.model
        bar = tqdm(total=self.settings.steps, initial=self.step, disable=not progress or self.rank > 0,
                   desc=f"train {self.settings.variant}", unit="step")
        with (bar, closing(self.batches(workers)) as batches,
              interrupt_between_steps(enabled=self.world == 1) as stopped):
            for batch in batches:
                terms, prediction = self.train_step(batch, forward)
                last, stop = self.step == self.settings.steps, stopped()
                logged, saved = (self.step % every == 0 or last for every in (log_every, save_every))
                if logged or saved or stop:
                    self._check(terms, prediction)
                if logged and self.rank == 0:
                    self._log(terms, bar, clock)
                if watch and watch_every and self.rank == 0 and (self.step % watch_every == 0 or last):
                    self._watch(watch, clock)
                if (saved or stop) and self.rank == 0:  # last: what a checkpoint has behind it is not done again
                    clock.update()
                    self.save()
                bar.update()
                if stop:
                    raise KeyboardInterrupt
        clean_up(self.folder)

    def _prepare(self, progress: bool) -> None:
        """Do what the variant needs first; its time is counted with the run's."""
        def batch_of(step: int) -> Triplet:
            return load_batch(self.source, self.settings, step, self.device)

        alone = self.world == 1
        self.source = prepare(self.model, self.source, batch_of, self.settings.segmenter_steps,
                              self.folder if alone else None, fresh=self.step == 0,
                              progress=progress and self.rank == 0)

    def _watch(self, watch: Callable[[Model], dict[str, float]], clock: Clock) -> None:
        """Judge the model as it is and log what was found."""
        clock.update()
        found = watch(self.model.eval())
        self.model.train()
        self._write({"step": self.step, "cpu_seconds": round(self.cpu_seconds, 1), "watch": found})
        clock.restart()

    def _write(self, row: dict) -> None:
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")

    def _check(self, terms: LossTerms, prediction: Prediction) -> None:
        """Stop if something broke, before it gets into a checkpoint."""
        trouble = diagnose(terms, prediction)
        if not trouble and not bool(torch.stack([p.isfinite().all() for p in self.parameters]).all()):
            trouble = "the weights are no numbers after the update: lower the learning rate, or clip the gradient"
        if trouble:
            kept = (self.folder / "checkpoint.pt").exists()
            raise TrainingError(f"step {self.step}: {trouble}{f'; {self.folder} holds a good checkpoint' * kept}.")

    def _log(self, terms: LossTerms, bar, clock: Clock) -> None:
        """Append a line to the log."""
        clock.update()
        row = {"step": self.step, "loss": float(terms.total.detach()), "photometric": float(terms.photometric.detach()),
               "smoothness": float(terms.smoothness.detach())}
        for name in ("semantic", "ranking"):
            if (term := getattr(terms, name)) is not None:
                row[name] = float(term.detach())
        bar.set_postfix(loss=f"{row['loss']:.4f}")
        self._write(row)

    def cost(self) -> dict[str, float]:
        """Return what the run has cost so far: wall and processor seconds of this process, and peak memory in MiB."""
        return {"seconds": round(self.seconds, 1), "cpu_seconds": round(self.cpu_seconds, 1),
                "peak_mib": round(peak_mib(self.device)), "parameters": sum(p.numel() for p in self.parameters)}


class Clock:
    """Adds the time since its last update to a run's account."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.restart()

    def restart(self) -> None:
        """Leave out what has passed since the last update."""
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def update(self) -> None:
        """Bring the account up to now."""
        self.run.seconds += time.perf_counter() - self.wall
        self.run.cpu_seconds += time.process_time() - self.cpu
        self.restart()
