"""The training loop: seeded, logged, checkpointed, and resumed bit for bit.

Everything drawn at random in step i follows from (seed, i) alone, so a run that was cut off continues as if it had
not been. A run folder holds settings.json, log.jsonl, checkpoint.pt and, when it is done, metrics.json.
"""
from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from ..common.contracts import InputError
from ..common.processes import mean_over_processes
from ..common.runtime import keep_freed_memory, peak_mib, pick_device, process_rank, seed_of
from ..common.stopwatch import Stopwatch
from ..common.storage import read_log, remove_leftovers, sole_use, write_atomically, write_json
from ..data.sources import Source, prefetch
from ..data.triplet import Triplet
from ..losses import LossTerms
from ..model import Model, OwnLoss, Prediction, Step
from ..weights import load_imagenet
from .batches import as_trained, batch_indices, check_source, load_batch
from .checkpoint import check_same, load_checkpoint, own_parts, read_about, restore, save_checkpoint, start_from
from .diagnosis import TrainingError, diagnose
from .given import checked_model, give_loss
from .history import plain_numbers, read_history
from .loop import SAVE_SECONDS, paced
from .memory import check_memory
from .optimizer import make_optimizer, update
from .preparation import clean_up, given_weights, prepare, take_back, with_noise
from .settings import TrainSettings, learning_rate

Watch = Callable[[Model], Mapping[str, float | None]]


def join_processes(device: str = "auto") -> str:
    """Join the processes that torchrun started, and return this one's device; alone, change nothing.

    Gradients are averaged over the processes, so they equal those of one process with the joined batch, except that
    each process normalizes its own share of the batch in BatchNorm. The log holds the loss of the joined batch.
    """
    if process_rank()[1] == 1 or torch.distributed.is_initialized():
        return device
    if pick_device(device).type == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
        torch.distributed.init_process_group("nccl")
    else:
        torch.distributed.init_process_group("gloo")
    return device


class Run:
    """A training run in its folder.

    Args:
        source: Training triplets.
        settings: What to compute.
        folder: Run folder; a run of the same settings in it is continued. It may be asked for more steps than before,
            finished or not; the learning rate then follows the longer schedule from here on.
        device: Device to compute on, `auto` for CUDA where there is one.
        imagenet: File of torchvision's ImageNet weights to start the encoders from, or "download".
        model: Model of your own to train, in place of the one that the settings build; of the same variant.
        loss: Loss of your own, in place of the photometric or supervised one, see `model.OwnLoss`; the photometric loss
            that the settings name gives it its `LossSettings`.
        init: Run folder or file whose weights the model starts from, wherever name and shape fit.

    Attributes:
        step: Number of steps that are done.
        extended: Numbers of steps after which the run went on with more steps than it was meant to take.

    Raises:
        InputError: If the folder holds a run with other settings, other code of your own, or a checkpoint that cannot
            be read, the data cannot be trained on, or model, loss and settings contradict each other.
    """

    def __init__(self, source: Source, settings: TrainSettings, folder: Path, device: str = "auto",
                 imagenet: str | None = None, *, model: Model | None = None, loss: OwnLoss | None = None,
                 init: Path | str | None = None) -> None:
        self.settings, self.folder, self.imagenet = settings, Path(folder), imagenet
        self.init = None if init is None else str(init)
        check_source(source, settings)
        self.source = with_noise(source, settings.label_noise, settings.seed)
        self.fingerprint = getattr(self.source, "fingerprint", None)  # of images, intrinsics and labels, if it has one
        self.rank, self.world = process_rank()
        if settings.batch % self.world:
            raise InputError(f"batch {settings.batch} cannot be shared by {self.world} processes; use a multiple.")
        self.device = pick_device(join_processes(device))
        self.model = settings.build() if model is None else checked_model(model, settings)
        if loss is not None:
            give_loss(self.model, loss)
        if not (self.folder / "checkpoint.pt").exists():
            self._load_start()
        self.step, self.seconds, self.cpu_seconds = 0, 0.0, 0.0
        self.extended: list[int] = []
        self.best, self.prepared = float("inf"), False
        self._hold_parameters()
        self.made = not self.folder.exists()
        with self._alone():
            self._open_folder()

    def _alone(self) -> AbstractContextManager[None]:
        """Keep other runs out of the folder; of several processes of a run the first one speaks for all."""
        return sole_use(self.folder) if self.rank == 0 else nullcontext()

    def _load_start(self) -> None:
        """Start from ImageNet's weights or another training's, as far as any were named; look at those of the masks."""
        given_weights(self.model, self.settings.segmenter)  # which `prepare` loads: refuse them before a folder is made
        if self.imagenet is not None:
            file = None if self.imagenet == "download" else Path(self.imagenet)
            for encoder in (self.model.encoder, self.model.pose_encoder):
                if encoder is not None:
                    load_imagenet(encoder, self.settings.encoder, file)
        if self.init is not None:
            start_from(self.model, Path(self.init))

    def _hold_parameters(self) -> None:
        """Give the optimizer every parameter that the model holds now, except those of frozen parts."""
        self.model.to(self.device)
        parts = dict(self.model.named_children())
        for name in self.settings.freeze:
            if name not in parts:
                raise InputError(f"there is no part {name!r} of this model to freeze; use {', '.join(parts)}.")
            parts[name].requires_grad_(False)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        if not self.parameters:
            raise InputError("every part of the model is frozen, so there is nothing to train; freeze fewer.")
        self.optimizer = make_optimizer(self.parameters, self.settings.learning_rate)

    def _about(self) -> dict:
        """Return what must agree for the run in a folder to be this one."""
        return {"settings": asdict(self.settings), "data": self.source.name, "triplets": len(self.source),
                "height": self.source.height, "width": self.source.width, "imagenet": self.imagenet,
                "init": self.init, "parts": own_parts(self.model)}

    def _open_folder(self) -> None:
        """Continue the run in the folder, or start one."""
        about, path = self._about(), self.folder / "settings.json"
        checkpoint = self.folder / "checkpoint.pt"
        if not path.exists() and any((self.folder / name).exists() for name in ("checkpoint.pt", "log.jsonl")):
            raise InputError(f"{self.folder} holds a checkpoint or a log without its settings.json, so nobody knows "
                             "what was trained; restore that file, or use another folder.")
        state = load_checkpoint(checkpoint, self.device) if checkpoint.exists() else None
        begun = any(file.name[0] != "." for file in self.folder.glob("*") if file != path)  # else it was refused
        known = read_about(path) if begun and path.exists() else {}
        if known:
            self.extended = list(known.get("extended", []))
            if known.get("fingerprint", self.fingerprint) != self.fingerprint:
                raise InputError(f"{self.folder} holds a run that was trained on other images, intrinsics or labels "
                                 f"than {self.source.name} has now; use another folder, or delete this one.")
            check_same(known, about, self.folder)
        if state is not None:
            self._resume(state)
        if self.rank == 0:
            if known.get("settings") != about["settings"] or (known.get("parts") or {}) != about["parts"]:
                self._write_about(about)
            remove_leftovers(self.folder)
        self._trim_log()

    def _write_about(self, about: dict) -> None:
        """Write what the run is, and where it runs."""
        machine = {"python": platform.python_version(), "torch": torch.__version__, "device": str(self.device),
                   "processes": self.world}
        extended = {"extended": self.extended} if self.extended else {}
        write_json(self.folder / "settings.json", {**about, **extended, "fingerprint": self.fingerprint, **machine})

    def _resume(self, state: dict) -> None:
        """Go on from a checkpoint."""
        check_same(state, {"settings": asdict(self.settings)}, self.folder)
        restore(state, self.model, self.optimizer, self.folder / "checkpoint.pt")
        self.step, self.seconds, self.cpu_seconds = state["step"], state["seconds"], state["cpu_seconds"]
        self.best = state.get("best", self.best)
        if state["settings"]["steps"] < self.settings.steps and self.step not in self.extended:
            self.extended.append(self.step)

    def _trim_log(self) -> None:
        """Drop log lines that were written after the checkpoint; their steps will be taken again."""
        log = self.folder / "log.jsonl"
        if self.rank == 0 and log.exists():
            rows = [row for row in read_log(log) if row.get("step", 0) <= self.step]
            write_atomically(log, lambda p: p.write_text("".join(json.dumps(row) + "\n" for row in rows)))

    def save(self, name: str = "checkpoint.pt") -> None:
        """Write the checkpoint."""
        parts = own_parts(self.model)
        save_checkpoint(self.folder / name, self.model, self.optimizer, self.step, seconds=self.seconds,
                        cpu_seconds=self.cpu_seconds, settings=asdict(self.settings),
                        **({"parts": parts} if parts else {}), **({"best": self.best} if self.best < np.inf else {}))

    def prepare(self, progress: bool = False) -> None:
        """Do what the variant needs before its first step, once: class weights, and a segmenter of its own.

        It takes part in the run's time. `train`, `batches` and `train_step` call it.
        """
        if self.prepared:
            return

        def batch_of(source: Source, step: int) -> Triplet:
            return load_batch(source, self.settings, step, self.device)

        self.source = prepare(self.model, self.source, batch_of, self.settings.segmenter_steps,
                              self.folder if self.world == 1 else None, fresh=self.step == 0,
                              progress=progress and self.rank == 0, segmenter=self.settings.segmenter)
        check_memory(self.model, self.source, self.settings.batch // self.world, self.settings.precision)
        self.prepared = True

    def _check_parameters(self) -> None:
        """Take up what was put into the model before the first step; later, refuse parameters that nothing trains."""
        current = [p for p in self.model.parameters() if p.requires_grad]
        if len(current) == len(self.parameters) and all(a is b for a, b in zip(current, self.parameters)):
            return
        if self.step:
            raise InputError("the model holds other parameters than at the first step, and they would not be trained; "
                             "change a model before its first step, or pass it as Run(..., model=...).")
        self._hold_parameters()
        if self.rank == 0:
            self._write_about(self._about())

    def train_step(self, batch: Triplet, forward: torch.nn.Module | None = None) -> tuple[LossTerms, Prediction]:
        """Take one optimizer step; before the first, do what the variant needs (`prepare`).

        Nothing in here waits for a GPU. A loop of one's own is `for batch in run.batches(): run.train_step(batch)`, and
        `run.save()` where a checkpoint is due.

        Args:
            batch: Triplets, as `batches` yields them.
            forward: Module to call in place of the model, such as the model wrapped for several processes.

        Returns:
            Terms of the loss before the step, and the prediction that they judge.

        Raises:
            InputError: If the model holds other parameters than at the first step, or the loss depends on none of them.
        """
        self.prepare()
        self._check_parameters()
        step = Step(self.step / self.settings.steps, seed_of(self.settings.seed, self.step),
                    self.settings.loss_at(self.step))
        rate = learning_rate(self.settings, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            terms, prediction = (forward or self.model)(batch, step)
        if not terms.total.requires_grad:
            raise InputError("the loss does not depend on any weight that is trained; compute it from the prediction "
                             "with torch, without detach(), and freeze fewer parts.")
        terms.total.backward()
        update(self.optimizer, self.parameters, self.settings.clip)
        self.step += 1
        return terms, prediction

    def batches(self, workers: int = 0) -> Generator[Triplet, None, None]:
        """Yield the batches of the steps that are left, after what the variant needs before its first step (`prepare`).

        Args:
            workers: Number of threads that read ahead; the batches are the same with any number.
        """
        self.prepare()
        steps = range(self.step, self.settings.steps)
        indices = (batch_indices(len(self.source), self.settings.batch, step, self.settings.seed)[self.rank::self.world]
                   for step in steps)
        with closing(prefetch(self.source, indices, workers)) as loaded:
            for step, triplet in zip(steps, loaded):
                yield as_trained(triplet, self.settings, step, self.device, self.rank, self.world)

    def train(self, progress: bool = True, log_every: int = 10, save_every: int = 200, watch: Watch | None = None,
              watch_every: int = 0, workers: int = 0, keep_best: str = "",
              report: Callable[[dict], None] | None = None, save_seconds: float = SAVE_SECONDS) -> Model:
        """Train to the end, and return the model.

        Args:
            progress: Whether to show a bar with the remaining time.
            log_every: Number of steps between log lines.
            save_every: Number of steps between checkpoints; Ctrl-C and SIGTERM let the step end and write one more.
            watch: Function that judges the model on the way; its numbers go to the log, its time is not counted.
            watch_every: Number of steps between such looks, 0 = none.
            workers: Number of threads that read ahead; with none, batches are read when they are needed.
            keep_best: Name of a number of `watch`; the checkpoint where it was lowest is kept as best.pt.
            report: Function that gets every row of the log.
            save_seconds: Longest time between checkpoints, s.

        Raises:
            TrainingError: If the loss, the depth or the pose breaks down; the last good checkpoint stays.
            InputError: If another run is at work in the folder.
        """
        with self._alone():
            if self.rank == 0 and not (self.folder / "settings.json").exists():  # an attempt before took it back
                self._write_about(self._about())
            if self.step < self.settings.steps:
                keep_freed_memory()
                self.watch_clock = Stopwatch()
                try:
                    self.prepare(progress)
                    self._train_mode()
                    self._train(progress, log_every, save_every, watch, watch_every, workers, keep_best, report,
                                save_seconds)
                except Exception:
                    if self.step == self.rank == 0:
                        take_back(self.folder, self.made)
                    raise
            clean_up(self.folder)
        return self.model.eval()

    def _train(self, progress, log_every, save_every, watch, watch_every, workers, keep_best, report,
               save_seconds) -> None:
        """Take the steps that are left."""
        forward = DistributedDataParallel(self.model) if self.world > 1 else self.model
        terms: LossTerms  # of the step just taken
        prediction: Prediction

        def save() -> None:
            self._check(terms, prediction)
            self._count_time()
            if self.rank == 0:
                self.save()

        steps = paced(self.step, self.settings.steps, save, f"train {self.settings.variant}", save_every,
                      progress and self.rank == 0, self.world == 1, save_seconds)
        with closing(self.batches(workers)) as batches, closing(steps):
            for _, bar in steps:
                terms, prediction = self.train_step(next(batches), forward)
                last = self.step == self.settings.steps
                if self.step % log_every == 0 or last:
                    self._check(terms, prediction)
                    row = self._log(terms, report)
                    bar.set_postfix(loss=f"{row['loss']:.4f}")
                if watch and watch_every and self.rank == 0 and (self.step % watch_every == 0 or last):
                    self._look(watch, keep_best, report)

    def _train_mode(self) -> None:
        """Let the model train, except for frozen parts, whose BatchNorm stays as it is too."""
        self.model.train()
        for name in self.settings.freeze:
            self.model.get_submodule(name).eval()

    def _count_time(self) -> None:
        """Add the time since the last count to the run's account."""
        lap = self.watch_clock.lap()
        self.seconds, self.cpu_seconds = self.seconds + lap.wall, self.cpu_seconds + lap.cpu

    def _look(self, watch: Watch, keep_best: str, report: Callable[[dict], None] | None) -> None:
        """Judge the model as it is, log what was found, and keep the model if it is the best so far."""
        self._count_time()
        found = plain_numbers(watch(self.model.eval()))
        self._train_mode()
        self._write({"step": self.step, "cpu_seconds": round(self.cpu_seconds, 1), "watch": found}, report)
        if keep_best:
            if keep_best not in found:
                raise InputError(f"the best checkpoint is to be kept by {keep_best!r}, which the watch does not "
                                 f"return; use one of {', '.join(found)}.")
            value = found[keep_best]
            if value is not None and value < self.best:
                self.best = value
                self.save("best.pt")
        self.watch_clock.lap()

    def _write(self, row: dict, report: Callable[[dict], None] | None) -> None:
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")
        if report is not None:
            report(row)

    def _check(self, terms: LossTerms, prediction: Prediction) -> None:
        """Stop if something broke, before it gets into a checkpoint."""
        trouble = diagnose(terms, prediction)
        if not trouble and not bool(torch.stack([p.isfinite().all() for p in self.parameters]).all()):
            trouble = "the weights are no numbers after the update: lower the learning rate, or clip the gradient"
        if trouble:
            kept = f"; {self.folder} holds a good checkpoint" if (self.folder / "checkpoint.pt").exists() else ""
            raise TrainingError(f"step {self.step}: {trouble}{kept}.")

    def _log(self, terms: LossTerms, report: Callable[[dict], None] | None) -> dict:
        """Append the losses of a step, over all processes, to the log."""
        named = {"loss": terms.total} | {name: getattr(terms, name)
                                         for name in ("photometric", "smoothness", "semantic", "ranking")}
        row = {"step": self.step} | {name: float(mean_over_processes(term.detach()))
                                     for name, term in named.items() if term is not None}
        if self.rank == 0:
            self._write(row, report)
        return row

    def history(self, watched: bool = False) -> dict[str, np.ndarray]:
        """Return the log as arrays, see `history.read_history`."""
        return read_history(self.folder, watched)

    def cost(self) -> dict[str, float]:
        """Return what the run has cost so far: wall and processor seconds of this process, and peak memory in MiB."""
        return {"seconds": round(self.seconds, 1), "cpu_seconds": round(self.cpu_seconds, 1),
                "peak_mib": round(peak_mib(self.device)), "parameters": sum(p.numel() for p in self.parameters)}
