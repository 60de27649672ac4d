"""Command line of the training room: `python -m training COMMAND --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from training import commands
from training.config import Config, TrainingError, load_config

_Parsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
_Run = Callable[[argparse.Namespace, Config], None]
# Opens the run of a network; `train-NAME` trains it and `export-NAME` exports it.
_Open = Callable[[argparse.Namespace, Config], Any]
_DEFAULT = Path(__file__).with_name("bundled.toml")
_LEVELS = {
    "exposure": "fit how bright good photos are",
    "haze-prior": "fit how clear the air of photos is",
    "midtone": "fit how bright the middle of photos is",
}
_JUDGES = {
    "tone": "fit what dark and hazy photos look like",
    "correlated-noise": "fit what tells texture from camera noise",
    "noise-detection": "fit what tells noise from texture",
}
_BUNDLED = Path(__file__).parents[1] / "ldrps_engine" / "models" / "bundled"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a TrainingError becomes one sentence and exit code 2."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options, load_config(options.config))
    except TrainingError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--config", type=Path, default=_DEFAULT)
    parser.add_argument(
        "--work", type=Path, default=Path("training-work"), help="folder of packs and checkpoints"
    )
    parsers = parser.add_subparsers(required=True)
    _add_packs(parsers)
    _add_prior_commands(parsers)
    _add_detail_commands(parsers)
    _add_fits(parsers)
    _add_scene_commands(parsers)
    _add_network(
        parsers,
        "damage",
        commands.damage_run,
        training="train what finds damage, or go on training; its pack is in damage/",
        exporting="write the finder of damage that ships",
    )
    _add_network(
        parsers,
        "haze",
        commands.haze_run,
        training="train what judges haze, or go on training; its pack is in haze/",
        exporting="write the judge of haze that ships",
    )
    return parser


def _add_packs(parsers: _Parsers) -> None:
    debian = parsers.add_parser("debian-photos", help="photographs among Debian's wallpapers")
    debian.add_argument("out", type=Path)
    debian.set_defaults(run=commands.debian_photos)
    packing = parsers.add_parser("pack", help="photos with a manifest.tsv to one flat file")
    packing.add_argument("photos", type=Path, nargs="+")
    packing.add_argument("--tiers", nargs="+", help="which, instead of the config's")
    packing.set_defaults(run=commands.pack)


def _add_prior_commands(parsers: _Parsers) -> None:
    """Add what the bundled prior is made with, from the autoencoder to what ships."""
    fitting = parsers.add_parser("fit-autoencoder", help="fit the lapped patch transform")
    fitting.add_argument("--no-lapping", action="store_true", help="plain PCA, for comparison")
    fitting.set_defaults(run=commands.fit_autoencoder)
    comparing = parsers.add_parser("compare-autoencoders", help="which autoencoder, and why")
    comparing.add_argument(
        "--minutes", type=float, default=6, help="for the convolutional one; 0 leaves it out"
    )
    comparing.add_argument(
        "--taef2", type=Path, nargs=2, metavar=("ENCODER", "DECODER"), help="published weights"
    )
    comparing.set_defaults(run=commands.compare)
    training = parsers.add_parser("train", help="train or go on training")
    _add_length(training)
    training.set_defaults(run=commands.train)
    exporting = parsers.add_parser("export", help="write the diffusers folder that ships")
    exporting.add_argument("out", type=Path)
    exporting.add_argument("--untrained", action="store_true", help="random weights, for ablation")
    exporting.set_defaults(run=commands.export)
    measuring = parsers.add_parser("evaluate", help="denoising ladder, samples, are they copies")
    measuring.add_argument("--out", type=Path, default=Path("evaluation"), help="folder written to")
    measuring.add_argument("--model", type=Path, help="exported folder; else the checkpoint")
    measuring.add_argument("--photos", type=int, default=12, help="held-out photos to denoise")
    measuring.set_defaults(run=commands.evaluate)
    curve = parsers.add_parser("curve", help="print what training has brought so far")
    curve.set_defaults(run=commands.curve)


def _add_fits(parsers: _Parsers) -> None:
    curving = parsers.add_parser("fit-casts", help="fit what casts and fading did to photos")
    curving.add_argument("photos", type=Path, help="folder of photos with a manifest.tsv")
    curving.add_argument("out", type=Path)
    curving.add_argument("--every", type=int, default=1, help="each Nth photo (default: all)")
    curving.set_defaults(run=commands.fit_casts)
    for level, what in _LEVELS.items():
        fitting = parsers.add_parser(f"fit-{level}", help=what)
        fitting.add_argument("out", type=Path)
        fitting.set_defaults(run=commands.fit_level, level=level)
    for judge, what in _JUDGES.items():
        fitting = parsers.add_parser(f"fit-{judge}", help=what)
        fitting.add_argument("out", type=Path)
        fitting.set_defaults(run=commands.fit_judge, judge=judge)


def _add_length(training: argparse.ArgumentParser) -> None:
    training.add_argument("--minutes", type=float, required=True)
    training.add_argument(
        "--cool-down",
        type=float,
        default=0.0,
        help="last minutes, over which the learning rate falls to nothing: for the end of a run",
    )


def _add_network(
    parsers: _Parsers,
    name: str,
    opens: _Open,
    *,
    training: str,
    exporting: str,
    export: _Run = commands.export_network,
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """Add the commands that train a network and export it, each with its help."""
    train = parsers.add_parser(f"train-{name}", help=training)
    _add_length(train)
    train.add_argument(
        "--warm", type=Path, metavar="FOLDER", help=f"begin with the weights of `export-{name}`"
    )
    train.set_defaults(run=commands.train_network, open=opens)
    exports = parsers.add_parser(f"export-{name}", help=exporting)
    exports.add_argument("out", type=Path)
    exports.set_defaults(run=export, open=opens, warm=None)
    return train, exports


def _add_detail_commands(parsers: _Parsers) -> None:
    training, exporting = _add_network(
        parsers,
        "detail",
        commands.detail_run,
        training="train the exported denoiser on all kinds of noise, conditioned on it",
        exporting="write the noise-conditioned denoiser",
        export=commands.export_detail,
    )
    exporting.add_argument("--ship", action="store_true", help="put it into the model as well")
    for command in (training, exporting):
        command.add_argument(
            "--model",
            type=Path,
            default=_BUNDLED,
            metavar="FOLDER",
            help="exported model whose network it starts from and whose autoencoder it keeps",
        )


def _add_scene_commands(parsers: _Parsers) -> None:
    packing = parsers.add_parser("pack-scenes", help="photos with a manifest.tsv to crops")
    packing.add_argument("photos", type=Path, nargs="+")
    packing.set_defaults(run=commands.pack_scenes)
    converting = parsers.add_parser("convert-encoder", help="published EfficientNet-lite0 to ours")
    converting.add_argument("out", type=Path)
    converting.set_defaults(run=commands.convert_encoder)
    denoising = parsers.add_parser("convert-ffdnet", help="published FFDNet for colour to ours")
    denoising.add_argument("out", type=Path)
    denoising.set_defaults(run=commands.convert_ffdnet)
    finding = parsers.add_parser("convert-faces", help="published detector of faces to ours")
    finding.add_argument("out", type=Path)
    finding.set_defaults(run=commands.convert_faces)
    expecting = parsers.add_parser("fit-expectation", help="fit what good photos of a scene have")
    expecting.add_argument("out", type=Path)
    expecting.add_argument("--epochs", type=_count, help="times that every crop is looked at")
    expecting.set_defaults(run=commands.fit_expectation)
    judging = parsers.add_parser("fit-recogniser", help="fit findings, maps and what is no photo")
    judging.add_argument("out", type=Path)
    judging.add_argument("--epochs", type=_count, help="times that every crop is looked at")
    judging.add_argument("--expectation", type=Path, help="instead of the engine's own")
    judging.set_defaults(run=commands.fit_recogniser)
    _add_network(
        parsers,
        "scene",
        commands.scene_run,
        training="train the scene expert, or go on training",
        exporting="write the scene expert that ships",
        export=commands.export_scene,
    )


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of times; give 1 or more")
    return count


if __name__ == "__main__":
    sys.exit(main())
