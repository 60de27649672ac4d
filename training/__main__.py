"""Command line of the training room: `python -m training COMMAND --help`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from training.config import Config, TrainingError, load_config

_Run = Callable[[argparse.Namespace, Config], None]
_DEFAULT = Path(__file__).with_name("bundled.toml")
_LEVELS = {
    "exposure": "fit how bright good photos are",
    "haze-prior": "fit how clear the air of photos is",
    "midtone": "fit how bright the middle of photos is",
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


def _pack(options: argparse.Namespace, config: Config) -> None:
    from training.photos import pack

    if options.tiers:
        config = replace(config, data=replace(config.data, tiers=options.tiers))
    pack(options.photos, options.work, config)


def _debian_photos(options: argparse.Namespace, _config: Config) -> None:
    from training.debian import debian_photos

    debian_photos(options.out)


def _fit_autoencoder(options: argparse.Namespace, config: Config) -> None:
    from training.autoencoder import fit_autoencoder

    fit_autoencoder(options.work, config, lapped=not options.no_lapping)


def _compare(options: argparse.Namespace, config: Config) -> None:
    from training.compare import compare

    compare(options.work, config, options.minutes, options.taef2)


def _train(options: argparse.Namespace, config: Config) -> None:
    from training.train import Run

    Run(options.work, config).train(options.minutes, options.cool_down)


def _train_detail(options: argparse.Namespace, config: Config) -> None:
    from training.detail import DetailRun

    run = DetailRun(options.work, config, options.model, options.warm)
    run.train(options.minutes, options.cool_down)


def _export_detail(options: argparse.Namespace, config: Config) -> None:
    from training.detail_export import export_detail, ship_detail

    export_detail(options.work, options.out, config, options.model)
    if options.ship:
        ship_detail(options.out, options.model)


def _curve(options: argparse.Namespace, _config: Config) -> None:
    from training.curve import print_curve

    print_curve(options.work)


def _fit_level(options: argparse.Namespace, config: Config) -> None:
    from training.scene_levels import FITS, fit_level

    fit_level(FITS[options.level], options.work, options.out, config)


def _fit_casts(options: argparse.Namespace, _config: Config) -> None:
    from training.casts import fit_casts

    fit_casts(options.photos, options.out, options.every)


def _fit_tone(options: argparse.Namespace, config: Config) -> None:
    from training.tone import fit_tone

    fit_tone(options.work, options.out, config)


def _fit_noise_detection(options: argparse.Namespace, config: Config) -> None:
    from training.noise_detection import fit_noise_detection

    fit_noise_detection(options.work, options.out, config)


def _fit_correlated_noise(options: argparse.Namespace, config: Config) -> None:
    from training.correlated_noise import fit_correlated_noise

    fit_correlated_noise(options.work, options.out, config)


def _evaluate(options: argparse.Namespace, config: Config) -> None:
    from training.evaluate import evaluate

    evaluate(options.work, options.out, config, options.model, options.photos)


def _export(options: argparse.Namespace, config: Config) -> None:
    from training.export import export

    export(options.work, options.out, config, untrained=options.untrained)


def _pack_scenes(options: argparse.Namespace, _config: Config) -> None:
    from training.scene_pack import pack_scenes

    pack_scenes(options.photos, _scenes(options))


def _convert_encoder(options: argparse.Namespace, _config: Config) -> None:
    from training.encoder import convert_encoder

    convert_encoder(options.out)


def _convert_faces(options: argparse.Namespace, _config: Config) -> None:
    from training.faces import convert_faces

    convert_faces(options.out)


def _fit_expectation(options: argparse.Namespace, _config: Config) -> None:
    from training.expectation import EPOCHS, fit_expectation

    fit_expectation(_scenes(options), options.out, options.epochs or EPOCHS)


def _fit_recogniser(options: argparse.Namespace, _config: Config) -> None:
    from ldrps_engine.analysis.expectation import MODEL
    from training.recogniser import EPOCHS, fit_recogniser

    expectation = options.expectation or MODEL
    fit_recogniser(_scenes(options), options.out, expectation, options.epochs or EPOCHS)


def _train_scene(options: argparse.Namespace, _config: Config) -> None:
    from training.scene import SceneRun, SceneTraining

    run = SceneRun(_scenes(options), SceneTraining(), options.warm)
    run.train(options.minutes, options.cool_down)


def _export_scene(options: argparse.Namespace, _config: Config) -> None:
    from training.scene_export import export_scene

    export_scene(_scenes(options), options.out)


def _train_damage(options: argparse.Namespace, config: Config) -> None:
    from training.damage import DamageRun, DamageTraining

    run = DamageRun(options.work / "damage", config, DamageTraining(), options.warm)
    run.train(options.minutes, options.cool_down)


def _export_damage(options: argparse.Namespace, config: Config) -> None:
    from training.damage import DamageRun, DamageTraining

    DamageRun(options.work / "damage", config, DamageTraining()).export(options.out)


def _train_haze(options: argparse.Namespace, config: Config) -> None:
    from training.haze import HazeRun, HazeTraining

    run = HazeRun(options.work / "haze", config, HazeTraining(), options.warm)
    run.train(options.minutes, options.cool_down)


def _export_haze(options: argparse.Namespace, config: Config) -> None:
    from training.haze import HazeRun, HazeTraining

    HazeRun(options.work / "haze", config, HazeTraining()).export(options.out)


def _scenes(options: argparse.Namespace) -> Path:
    """Folder of the pack of crops, and of all that is made from it."""
    return Path(options.work / "scenes")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--config", type=Path, default=_DEFAULT)
    parser.add_argument(
        "--work", type=Path, default=Path("training-work"), help="folder of packs and checkpoints"
    )
    commands = parser.add_subparsers(required=True)
    debian = commands.add_parser("debian-photos", help="photographs among Debian's wallpapers")
    debian.add_argument("out", type=Path)
    debian.set_defaults(run=_debian_photos)
    packing = commands.add_parser("pack", help="photos with a manifest.tsv to one flat file")
    packing.add_argument("photos", type=Path, nargs="+")
    packing.add_argument("--tiers", nargs="+", help="which, instead of the config's")
    packing.set_defaults(run=_pack)
    fitting = commands.add_parser("fit-autoencoder", help="fit the lapped patch transform")
    fitting.add_argument("--no-lapping", action="store_true", help="plain PCA, for comparison")
    fitting.set_defaults(run=_fit_autoencoder)
    comparing = commands.add_parser("compare-autoencoders", help="which autoencoder, and why")
    comparing.add_argument(
        "--minutes", type=float, default=6, help="for the convolutional one; 0 leaves it out"
    )
    comparing.add_argument(
        "--taef2", type=Path, nargs=2, metavar=("ENCODER", "DECODER"), help="published weights"
    )
    comparing.set_defaults(run=_compare)
    training = commands.add_parser("train", help="train or go on training")
    _add_length(training)
    training.set_defaults(run=_train)
    _add_detail_commands(commands)
    curve = commands.add_parser("curve", help="print what training has brought so far")
    curve.set_defaults(run=_curve)
    curving = commands.add_parser("fit-casts", help="fit what casts and fading did to photos")
    curving.add_argument("photos", type=Path, help="folder of photos with a manifest.tsv")
    curving.add_argument("out", type=Path)
    curving.add_argument("--every", type=int, default=9, help="each Nth photo (default: 9)")
    curving.set_defaults(run=_fit_casts)
    for level, what in _LEVELS.items():
        fitting = commands.add_parser(f"fit-{level}", help=what)
        fitting.add_argument("out", type=Path)
        fitting.set_defaults(run=_fit_level, level=level)
    judging = commands.add_parser("fit-tone", help="fit what dark and veiled photos look like")
    judging.add_argument("out", type=Path)
    judging.set_defaults(run=_fit_tone)
    correlated = commands.add_parser(
        "fit-correlated-noise", help="fit what tells texture from camera noise"
    )
    correlated.add_argument("out", type=Path)
    correlated.set_defaults(run=_fit_correlated_noise)
    telling = commands.add_parser("fit-noise-detection", help="fit what tells noise from texture")
    telling.add_argument("out", type=Path)
    telling.set_defaults(run=_fit_noise_detection)
    exporting = commands.add_parser("export", help="write the diffusers folder that ships")
    exporting.add_argument("out", type=Path)
    exporting.add_argument("--untrained", action="store_true", help="random weights, for ablation")
    exporting.set_defaults(run=_export)
    measuring = commands.add_parser("evaluate", help="denoising ladder, samples, are they copies")
    measuring.add_argument("--out", type=Path, default=Path("evaluation"), help="folder written to")
    measuring.add_argument("--model", type=Path, help="exported folder; else the checkpoint")
    measuring.add_argument("--photos", type=int, default=12, help="held-out photos to denoise")
    measuring.set_defaults(run=_evaluate)
    _add_scene_commands(commands)
    _add_network(
        commands,
        "damage",
        ("train what finds damage, or go on training; its pack is in damage/", _train_damage),
        ("write the finder of damage that ships", _export_damage),
    )
    _add_network(
        commands,
        "haze",
        ("train what judges haze, or go on training; its pack is in haze/", _train_haze),
        ("write the judge of haze that ships", _export_haze),
    )
    return parser


def _add_length(training: argparse.ArgumentParser) -> None:
    training.add_argument("--minutes", type=float, required=True)
    training.add_argument(
        "--cool-down",
        type=float,
        default=0.0,
        help="last minutes, over which the learning rate falls to nothing: for the end of a run",
    )


def _add_network(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    training: tuple[str, _Run],
    exporting: tuple[str, _Run],
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """Add the commands that train a network and export it, each with its help and what it runs."""
    train = commands.add_parser(f"train-{name}", help=training[0])
    _add_length(train)
    train.add_argument(
        "--warm", type=Path, metavar="FOLDER", help=f"begin with the weights of `export-{name}`"
    )
    train.set_defaults(run=training[1])
    export = commands.add_parser(f"export-{name}", help=exporting[0])
    export.add_argument("out", type=Path)
    export.set_defaults(run=exporting[1])
    return train, export


def _add_detail_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    training, exporting = _add_network(
        commands,
        "detail",
        ("train the exported denoiser on all kinds of noise, told what it is", _train_detail),
        ("write the denoiser that is told noise", _export_detail),
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


def _add_scene_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    packing = commands.add_parser("pack-scenes", help="photos with a manifest.tsv to crops")
    packing.add_argument("photos", type=Path, nargs="+")
    packing.set_defaults(run=_pack_scenes)
    converting = commands.add_parser("convert-encoder", help="published EfficientNet-lite0 to ours")
    converting.add_argument("out", type=Path)
    converting.set_defaults(run=_convert_encoder)
    finding = commands.add_parser("convert-faces", help="published detector of faces to ours")
    finding.add_argument("out", type=Path)
    finding.set_defaults(run=_convert_faces)
    expecting = commands.add_parser("fit-expectation", help="fit what good photos of a scene have")
    expecting.add_argument("out", type=Path)
    expecting.add_argument("--epochs", type=_count, help="times that every crop is looked at")
    expecting.set_defaults(run=_fit_expectation)
    judging = commands.add_parser("fit-recogniser", help="fit findings, maps and what is no photo")
    judging.add_argument("out", type=Path)
    judging.add_argument("--epochs", type=_count, help="times that every crop is looked at")
    judging.add_argument("--expectation", type=Path, help="instead of the engine's own")
    judging.set_defaults(run=_fit_recogniser)
    _add_network(
        commands,
        "scene",
        ("train the scene expert, or go on training", _train_scene),
        ("write the scene expert that ships", _export_scene),
    )


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of times; give 1 or more")
    return count


if __name__ == "__main__":
    sys.exit(main())
